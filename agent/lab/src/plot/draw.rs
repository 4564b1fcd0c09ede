//! The picture itself.

use super::{Alert, Panel, Plot, Window};
use crate::svg::axis::{Scale, full, padded, short, time_ticks, value_ticks};
use crate::svg::{begin, escaped};
use headwater_kernel::aggregate::Stamped;
use headwater_kernel::decimate::minmax;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// All lengths are in pixels of the picture's own.
const WIDTH: f64 = 1_200.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 24.0;
const HEAD: f64 = 66.0;
const PANEL: f64 = 204.0;
const PANEL_TITLE: f64 = 46.0;
const FOOT: f64 = 44.0;
const TIME_TICKS: i64 = 8;
const VALUE_TICKS: usize = 4;
/// Points of a line; two a pixel show all there is to see.
const POINTS_MAX: usize = 2 * (WIDTH - LEFT - RIGHT) as usize;
/// Readings fewer than this are dots, too.
const DOTS_MAX: usize = 150;
/// A silence this many times longer than the usual distance of readings is a gap in the line.
const GAP: i64 = 12;
/// Names of alerts closer than this are not written over each other.
const NAME_WIDTH: f64 = 88.0;

const STYLE: &str = "\
.reading{fill:none;stroke:#7b8794;stroke-width:1;stroke-linejoin:round;stroke-linecap:round}
.dot{fill:#7b8794}
.stream{font-weight:400;fill:#7b8794}
.band{fill:#2f80c8;fill-opacity:.16}
.mean{fill:none;stroke:#1467b3;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.critical{fill:#c81e1e;color:#c81e1e}.warning{fill:#d9730d;color:#d9730d}.other{fill:#6b4fbb;color:#6b4fbb}
.span{fill-opacity:.14}.raise{stroke:currentColor;stroke-width:1.2}
.name{font-size:11px;font-weight:600}
@media (prefers-color-scheme:dark){.mean{stroke:#5aa9e6}.critical{fill:#f26d6d;color:#f26d6d}.other{fill:#a891ee;color:#a891ee}}
";

pub(super) fn svg(plot: &Plot) -> String {
    let height = HEAD + PANEL * plot.panels.len().max(1) as f64 + FOOT;
    let mut out = begin(WIDTH, height, STYLE);
    let span = time_span(plot);
    head(&mut out, plot, span);
    let time = Scale::new((0.0, (span.1 - span.0) as f64), (LEFT, WIDTH - RIGHT));
    let canvas = Canvas { from: span.0, to: span.1, time, bottom: HEAD + PANEL * plot.panels.len() as f64 };
    for (at, ((stream, series), panel)) in plot.panels.iter().enumerate() {
        let stream = plot.streams.get(*stream).map_or("", |stream| &*stream.name);
        canvas.panel(&mut out, HEAD + PANEL * at as f64, (stream, series), panel);
    }
    canvas.time_axis(&mut out);
    out.push_str("</svg>\n");
    out
}

/// From the first to the last moment of anything (ms); at least a second.
fn time_span(plot: &Plot) -> (i64, i64) {
    let of = |panel: &Panel| {
        let readings =
            panel.readings.first().into_iter().chain(panel.readings.last()).map(|(time, _)| time.0);
        let windows = panel.windows.first().into_iter().chain(panel.windows.last());
        let alerts =
            panel.alerts.iter().flat_map(|alert| [Some(alert.raised_ms), alert.cleared_ms]).flatten();
        let moments: Vec<i64> = readings
            .chain(windows.flat_map(|window| [window.start_ms, window.end_ms]))
            .chain(alerts)
            .collect();
        Some((*moments.iter().min()?, *moments.iter().max()?))
    };
    let all = plot.panels.values().filter_map(of).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (from, to) = all.unwrap_or((0, 1_000));
    // Times at the ends of time are drawn at the edge; their distance must be a number.
    let from = from.clamp(i64::MIN / 4, i64::MAX / 4);
    (from, to.clamp(from.saturating_add(1_000), i64::MAX / 4 + 1_000))
}

fn head(out: &mut String, plot: &Plot, (from, to): (i64, i64)) {
    let _ = writeln!(out, "<text class=\"title\" x=\"{LEFT}\" y=\"32\">{}</text>", escaped(&plot.title));
    // One about several series stands in the panel of each.
    let told = plot.panels.values().flat_map(|panel| panel.alerts.iter().map(|alert| alert.id.as_str()));
    let left_out: usize = plot.panels.values().map(|panel| panel.alerts_left_out).sum();
    let alerts = told.collect::<BTreeSet<_>>().len() + left_out;
    let alerts = match alerts {
        0 => "no alerts".to_owned(),
        1 => "1 alert".to_owned(),
        many => format!("{many} alerts"),
    };
    let mut line = format!("{} to {} UTC · {alerts}", full(from), full(to));
    if !plot.left_out.is_empty() {
        let _ = write!(line, " · {} series more are not shown", plot.left_out.len());
    }
    let _ = writeln!(out, "<text x=\"{LEFT}\" y=\"52\">{line}</text>");
    legend(out);
}

fn legend(out: &mut String) {
    let marks = [
        ("readings", "<path class=\"reading\" d=\"M0 4h22\"/>"),
        ("window: min to max", "<rect class=\"band\" y=\"-3\" width=\"22\" height=\"13\"/>"),
        ("window: mean", "<path class=\"mean\" d=\"M0 4h22\"/>"),
        (
            "alert",
            "<g class=\"critical\"><rect class=\"span\" y=\"-3\" width=\"22\" height=\"13\"/><path class=\"raise\" d=\"M.6 -3v13\"/></g>",
        ),
    ];
    let widths = [100.0, 158.0, 122.0, 60.0];
    let mut x = WIDTH - RIGHT - widths.iter().sum::<f64>();
    for ((name, mark), width) in marks.into_iter().zip(widths) {
        let _ = writeln!(
            out,
            "<g transform=\"translate({x} 24)\">{mark}<text x=\"28\" y=\"8\">{name}</text></g>"
        );
        x += width;
    }
}

/// What all panels share.
struct Canvas {
    from: i64,
    to: i64,
    time: Scale,
    bottom: f64,
}

impl Canvas {
    fn x(&self, ms: i64) -> f64 {
        self.time.place(ms.saturating_sub(self.from) as f64)
    }

    fn panel(&self, out: &mut String, top: f64, (stream, series): (&str, &str), panel: &Panel) {
        let (low, high) = (top + PANEL - 12.0, top + PANEL_TITLE);
        let ranges = panel.windows.iter().flat_map(|window| {
            [window.mean, window.range.map(|range| range.0), window.range.map(|range| range.1)]
        });
        let numbers = panel.readings.iter().map(|(_, value)| *value).chain(ranges.flatten());
        let range = padded(numbers);
        let value = Scale::new(range, (low, high));
        let _ = writeln!(
            out,
            "<text class=\"series\" x=\"{LEFT}\" y=\"{:.1}\">{}<tspan class=\"stream\" dx=\"8\">{}</tspan></text>",
            top + 22.0,
            escaped(series),
            escaped(stream)
        );
        for (number, label) in value_ticks(range, VALUE_TICKS) {
            let y = value.place(number);
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{}\"/><text class=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (ms, _) in time_ticks((self.from, self.to), TIME_TICKS) {
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{:.1} {high:.1}V{low:.1}\"/>", self.x(ms));
        }
        panel.alerts.iter().for_each(|alert| self.span(out, alert, (high, low)));
        self.band(out, &panel.windows, value);
        self.readings(out, &panel.readings, value);
        self.mean(out, &panel.windows, value);
        self.marks(out, panel, value, (high, low));
        let _ = writeln!(out, "<path class=\"axis\" d=\"M{LEFT} {low:.1}H{}\"/>", WIDTH - RIGHT);
    }

    fn readings(&self, out: &mut String, readings: &[Stamped], value: Scale) {
        let mut seen: Vec<Stamped> = Vec::new();
        minmax(readings, POINTS_MAX, |reading| seen.push(reading));
        let mut distances: Vec<i64> =
            seen.iter().zip(seen.iter().skip(1)).map(|(a, b)| b.0.since(a.0)).collect();
        distances.sort_unstable();
        let usual = distances.get(distances.len() / 2).copied().unwrap_or(0).max(1);
        let mut path = String::new();
        let mut before = None;
        for (time, number) in &seen {
            let (x, y) = (self.x(time.0), value.place(*number));
            let goes_on = before.is_some_and(|before| time.since(before) <= usual.saturating_mul(GAP));
            let _ = if goes_on { write!(path, "L{x:.1} {y:.1}") } else { write!(path, "M{x:.1} {y:.1}h0") };
            before = Some(*time);
            if seen.len() <= DOTS_MAX {
                let _ = writeln!(out, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.8\"/>");
            }
        }
        if !path.is_empty() {
            let _ = writeln!(out, "<path class=\"reading\" d=\"{path}\"/>");
        }
    }

    /// A step for each window, those that touch as one.
    fn band(&self, out: &mut String, windows: &[Window], value: Scale) {
        let mut path = String::new();
        for run in runs(&self.seen(windows)) {
            let (mut upper, mut lower) = (String::new(), String::new());
            for window in run {
                let Some((min, max)) = window.range else { continue };
                let (x0, x1) = (self.x(window.start_ms), self.x(window.end_ms));
                let sign = if upper.is_empty() { 'M' } else { 'L' };
                let _ = write!(upper, "{sign}{x0:.1} {:.1}H{x1:.1}", value.place(max));
                let y = value.place(min);
                lower.insert_str(0, &format!("L{x1:.1} {y:.1}H{x0:.1}"));
            }
            if !upper.is_empty() {
                let _ = write!(path, "{upper}{lower}Z");
            }
        }
        if !path.is_empty() {
            let _ = writeln!(out, "<path class=\"band\" d=\"{path}\"/>");
        }
    }

    fn mean(&self, out: &mut String, windows: &[Window], value: Scale) {
        let mut path = String::new();
        for run in runs(&self.seen(windows)) {
            let mut sign = 'M';
            for window in run {
                let Some(mean) = window.mean else { continue };
                let middle = f64::midpoint(self.x(window.start_ms), self.x(window.end_ms));
                let _ = write!(path, "{sign}{middle:.1} {:.1}", value.place(mean));
                if sign == 'M' {
                    path.push_str("h0");
                }
                sign = 'L';
            }
        }
        if !path.is_empty() {
            let _ = writeln!(out, "<path class=\"mean\" d=\"{path}\"/>");
        }
    }

    /// Windows as wide as a pixel at least.
    fn seen(&self, windows: &[Window]) -> Vec<Window> {
        let share = windows.len().div_ceil(POINTS_MAX / 2).max(1);
        windows.chunks(share).filter_map(|part| part.iter().fold(None, Window::with)).collect()
    }

    /// What an alert covers, behind everything else.
    fn span(&self, out: &mut String, alert: &Alert, (high, low): (f64, f64)) {
        let x = self.x(alert.raised_ms);
        let end = self.x(alert.cleared_ms.unwrap_or(self.to));
        let _ = writeln!(
            out,
            "<rect class=\"span {}\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{}</title></rect>",
            class(alert),
            (end - x).max(2.0),
            low - high,
            describe(alert)
        );
    }

    /// Where alerts were raised, with the detector's name where there is room for it.
    fn marks(&self, out: &mut String, panel: &Panel, value: Scale, (high, low): (f64, f64)) {
        let mut named_to = f64::MIN;
        for alert in &panel.alerts {
            let x = self.x(alert.raised_ms);
            let (left, right, tip) = (x - 4.5, x + 4.5, high + 7.0);
            let _ = writeln!(
                out,
                "<g class=\"{}\"><title>{}</title><path class=\"raise\" d=\"M{x:.1} {high:.1}V{low:.1}\"/>\
                 <path d=\"M{left:.1} {high:.1}H{right:.1}L{x:.1} {tip:.1}Z\"/>",
                class(alert),
                describe(alert)
            );
            if alert.on_reading {
                let _ =
                    writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3\"/>", value.place(alert.value));
            }
            let is_right = x + NAME_WIDTH > WIDTH - RIGHT;
            if x >= named_to + if is_right { NAME_WIDTH } else { 0.0 } {
                let (at, anchor) = if is_right { (x - 8.0, "end ") } else { (x + 8.0, "") };
                let _ = writeln!(
                    out,
                    "<text class=\"{anchor}name {}\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
                    class(alert),
                    high - 5.0,
                    escaped(&alert.detector)
                );
                named_to = x + NAME_WIDTH;
            }
            out.push_str("</g>\n");
        }
        if panel.alerts_left_out > 0 {
            let _ = writeln!(
                out,
                "<text class=\"end\" x=\"{}\" y=\"{:.1}\">and {} alerts more</text>",
                WIDTH - RIGHT,
                low + 12.0,
                panel.alerts_left_out
            );
        }
    }

    fn time_axis(&self, out: &mut String) {
        for (ms, label) in time_ticks((self.from, self.to), TIME_TICKS) {
            let x = self.x(ms);
            let _ = writeln!(
                out,
                "<text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{label}</text>",
                self.bottom + 10.0
            );
        }
    }
}

/// Windows that follow one another without a gap.
fn runs(windows: &[Window]) -> impl Iterator<Item = &[Window]> {
    windows.chunk_by(|before, after| after.start_ms <= before.end_ms)
}

fn class(alert: &Alert) -> &'static str {
    match alert.severity.as_str() {
        "critical" | "error" | "alarm" | "emergency" => "critical",
        "warning" | "warn" => "warning",
        _ => "other",
    }
}

/// The tooltip of an alert.
fn describe(alert: &Alert) -> String {
    let end = alert.cleared_ms.map_or_else(|| "not cleared".to_owned(), |ms| format!("cleared {}", full(ms)));
    escaped(&format!(
        "{} ({}): {} — raised {}, {end}; value {}",
        alert.detector,
        alert.severity,
        alert.reason,
        full(alert.raised_ms),
        short(alert.value)
    ))
}

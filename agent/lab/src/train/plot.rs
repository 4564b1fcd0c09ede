//! A picture of a training's report: the confusion, and for anything that is wrong and for each class the curves of
//! precision over recall and of hits over false alarms (ROC), a line for each fold, with their areas. Those of `auto` stand
//! beside. The same report gives the same bytes.

use super::judge::{ANY_FAULT, Curve};
use super::report::{Contestant, TrainReport, figure, interval, share};
use crate::svg::axis::{Scale, value_ticks};
use crate::svg::{begin, escaped};
use std::fmt::Write as _;

/// All lengths are in pixels of the picture's own.
const WIDTH: f64 = 1_200.0;
const LEFT: f64 = 72.0;
const HEAD: f64 = 76.0;
/// The curves of one class.
const ROW: f64 = 388.0;
/// A square of curves.
const SIDE: f64 = 300.0;
/// From one square to the next, and to the list of areas.
const STEP: f64 = 390.0;
/// A line of text.
const LINE: f64 = 16.0;
/// The most folds whose areas are listed.
const LISTED_MAX: usize = 14;
/// A cell of the confusion, at most.
const CELL_MAX: f64 = 64.0;
/// Characters of a class's name that are shown.
const NAME_CHARACTERS: usize = 24;
const NAMES_WIDTH: f64 = 190.0;

const STYLE: &str = "\
.fold{fill:none;stroke:#1467b3;stroke-width:1.3;stroke-opacity:.65;stroke-linejoin:round}
.auto{fill:none;stroke:#d9730d;stroke-width:1;stroke-opacity:.5;stroke-dasharray:4 3}
.chance{fill:none;stroke:#9aa5b1;stroke-width:1;stroke-dasharray:2 4}
.cell{fill:#2f80c8}.frame{fill:none;stroke:#9aa5b1}
.count{text-anchor:middle;font-weight:600;fill:#323f4b}
@media (prefers-color-scheme:dark){.fold{stroke:#5aa9e6}.count{fill:#e4ecf4}}
";

impl TrainReport {
    /// For people who look: the confusion, and the curves of each fold, as SVG.
    #[must_use]
    pub fn as_svg(&self) -> String {
        svg(self)
    }
}

fn svg(report: &TrainReport) -> String {
    let Some(model) = report.contestants.first() else { return String::new() };
    let rows = drawn(report);
    let cell = cell(report.classes.len());
    let confusion = 120.0 + cell * report.classes.len() as f64;
    let height = HEAD + confusion + ROW * rows.len() as f64 + 12.0;
    let mut out = begin(WIDTH, height, STYLE);
    let _ = writeln!(out, "<text class=\"title\" x=\"{LEFT}\" y=\"32\">{}</text>", escaped(&report.title));
    let accuracy = |own: &Contestant| own.score("accuracy").map(|score| interval(&score));
    let always = report.contestants.last().and_then(accuracy).unwrap_or_default();
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"54\">{} folds · accuracy {} (always the same class: {always}) · [ ] holds the mean over the folds with a probability of 0.95</text>",
        model.folds.len(),
        accuracy(model).unwrap_or_default()
    );
    put_confusion(&mut out, report, cell);
    let auto = report.contestants.get(1);
    for (at, name) in rows.into_iter().enumerate() {
        put_row(&mut out, HEAD + confusion + ROW * at as f64, name, (model, auto));
    }
    out.push_str("</svg>\n");
    out
}

/// What has curves: anything that is wrong, and each class where there are more than two.
fn drawn(report: &TrainReport) -> Vec<&str> {
    let classes = if report.classes.len() > 2 { &report.classes[..] } else { &[] };
    [ANY_FAULT].into_iter().chain(classes.iter().map(|(name, _)| name.as_str())).collect()
}

fn cell(classes: usize) -> f64 {
    (640.0 / classes.max(1) as f64).min(CELL_MAX)
}

/// Rows that are of a class, by the class that was said; the darker, the larger the share of the class.
fn put_confusion(out: &mut String, report: &TrainReport, cell: f64) {
    let (left, top) = (LEFT + NAMES_WIDTH, HEAD + 84.0);
    let _ =
        writeln!(out, "<text class=\"series\" x=\"{LEFT}\" y=\"{HEAD}\">is (rows), said (columns)</text>");
    for (at, ((name, _), counts)) in report.classes.iter().zip(&report.confusion).enumerate() {
        let (along, middle) = (cell * at as f64, cell / 2.0);
        let name = shown(name);
        let _ = writeln!(
            out,
            "<text class=\"end\" x=\"{}\" y=\"{:.1}\">{name}</text>",
            left - 10.0,
            top + along + middle + 4.0
        );
        // Long names of narrow columns lean, so that they do not touch.
        let x = left + along + middle;
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{0:.1}\" transform=\"rotate(-28 {x:.1} {0:.1})\">{name}</text>",
            top - 6.0
        );
        let all = counts.iter().sum::<u64>().max(1) as f64;
        for (said, count) in counts.iter().enumerate() {
            let x = left + cell * said as f64;
            let y = top + along;
            let _ = writeln!(
                out,
                "<rect class=\"cell\" fill-opacity=\"{:.3}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{cell:.1}\" height=\"{cell:.1}\"/>\
                 <text class=\"count\" x=\"{:.1}\" y=\"{:.1}\">{count}</text>",
                0.65 * *count as f64 / all,
                x + middle,
                y + middle + 4.0
            );
        }
    }
    let side = cell * report.classes.len() as f64;
    let _ = writeln!(
        out,
        "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{side:.1}\" height=\"{side:.1}\"/>"
    );
}

/// Both squares of one class, and the areas.
fn put_row(out: &mut String, top: f64, name: &str, (model, auto): (&Contestant, Option<&Contestant>)) {
    let _ =
        writeln!(out, "<text class=\"series\" x=\"{LEFT}\" y=\"{:.1}\">{}</text>", top + 8.0, shown(name));
    let top = top + 34.0;
    let area = |own: &Contestant, figure: &str| {
        own.score(&format!("{figure} {name}")).map_or_else(|| "-".to_owned(), |score| interval(&score))
    };
    let (pr, roc): (Points, Points) = (|curve| &curve.pr, |curve| &curve.roc);
    for (at, (figure, points, titles)) in
        [("PR", pr, ["recall", "precision"]), ("ROC", roc, ["false alarms", "hits"])].into_iter().enumerate()
    {
        let square = Square { left: LEFT + STEP * at as f64, top };
        square.put_frame(out, titles);
        if figure == "ROC" {
            square.put_line(out, "chance", &[(0.0, 0.0), (1.0, 1.0)]);
        }
        let of_auto = auto.filter(|_| name == ANY_FAULT);
        for (own, class) in of_auto.map(|own| (own, "auto")).into_iter().chain([(model, "fold")]) {
            for curve in own.curves.iter().flatten().filter(|(of, _)| of == name).map(|(_, curve)| curve) {
                square.put_line(out, class, points(curve));
            }
        }
        let beside = of_auto.map(|own| format!(" (auto: {})", area(own, figure))).unwrap_or_default();
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\">{figure} area {}{beside}</text>",
            square.left,
            top - 8.0,
            area(model, figure)
        );
    }
    put_areas(out, (LEFT + 2.0 * STEP, top), name, model);
}

type Points = fn(&Curve) -> &Vec<(f64, f64)>;

/// The areas fold by fold.
fn put_areas(out: &mut String, (left, top): (f64, f64), name: &str, model: &Contestant) {
    let columns = [left, left + 80.0, left + 140.0];
    let mut line = |at: usize, cells: [String; 3]| {
        for (x, cell) in columns.into_iter().zip(cells) {
            let _ = writeln!(out, "<text x=\"{x}\" y=\"{:.1}\">{cell}</text>", top + 10.0 + LINE * at as f64);
        }
    };
    line(0, ["fold", "PR", "ROC"].map(str::to_owned));
    for (at, fold) in model.folds.iter().enumerate().take(LISTED_MAX) {
        let area = |of: &str| share(figure(fold, &format!("{of} {name}")));
        line(at + 1, [(at + 1).to_string(), area("PR"), area("ROC")]);
    }
    if let Some(more) = model.folds.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
        line(LISTED_MAX + 1, [format!("and {more} more"), String::new(), String::new()]);
    }
}

/// Shares over shares.
struct Square {
    left: f64,
    top: f64,
}

impl Square {
    fn put_frame(&self, out: &mut String, [along, up]: [&str; 2]) {
        let Self { left, top } = *self;
        let (right, bottom) = (left + SIDE, top + SIDE);
        for (number, label) in value_ticks((0.0, 1.0), 5) {
            let (x, y) = self.place((number, number));
            let _ = writeln!(
                out,
                "<path class=\"grid\" d=\"M{left} {y:.1}H{right}M{x:.1} {top}V{bottom}\"/>\
                 <text class=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>\
                 <text class=\"mid\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
                left - 8.0,
                y + 4.0,
                bottom + 16.0
            );
        }
        let (x, y) = (left - 40.0, top + SIDE / 2.0);
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{left} {top}V{bottom}H{right}\"/>\
             <text class=\"mid\" x=\"{}\" y=\"{}\">{along}</text>\
             <text class=\"mid\" x=\"{x}\" y=\"{y}\" transform=\"rotate(-90 {x} {y})\">{up}</text>",
            left + SIDE / 2.0,
            bottom + 33.0
        );
    }

    fn place(&self, (along, up): (f64, f64)) -> (f64, f64) {
        let x = Scale::new((0.0, 1.0), (self.left, self.left + SIDE));
        let y = Scale::new((0.0, 1.0), (self.top + SIDE, self.top));
        (x.place(along), y.place(up))
    }

    fn put_line(&self, out: &mut String, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for point in points {
            let (x, y) = self.place(*point);
            let sign = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{sign}{x:.1} {y:.1}");
        }
        let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
    }
}

/// A class's name, short and as XML has it.
fn shown(name: &str) -> String {
    let short: String = name.chars().take(NAME_CHARACTERS).collect();
    let end = if short.len() < name.len() { "…" } else { "" };
    escaped(&(short + end))
}

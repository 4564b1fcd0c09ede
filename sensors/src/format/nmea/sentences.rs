//! The sentences that are read, and what their columns are. Columns count from 0, after the address.

/// A sentence.
pub(super) struct Sentence {
    code: &'static str,
    /// The column that says whether the others are valid, and with which letters; `None`: there is none.
    pub(super) validity: Option<(usize, &'static [&'static str])>,
    pub(super) columns: &'static [Column],
}

/// One value of a sentence.
pub(super) struct Column {
    pub(super) at: usize,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// A number in a unit.
    Number(&'static str),
    /// Degrees and minutes, with the side of the world in the next column; the most degrees.
    Position(f64),
    /// A number in a unit, negative if the next column has this letter.
    Sided(&'static str, &'static str),
    /// A wind: the column with its reference, and that with the unit of a speed; `None`: it is an angle.
    Wind(usize, Option<usize>),
    /// A speed of rotation: the columns with the kind of machine and its number.
    Engine(usize, usize),
}

const fn number(at: usize, name: &'static str, unit: &'static str) -> Column {
    Column { at, name, kind: Kind::Number(unit) }
}

const fn latitude(at: usize) -> Column {
    Column { at, name: "latitude", kind: Kind::Position(90.0) }
}

const fn longitude(at: usize) -> Column {
    Column { at, name: "longitude", kind: Kind::Position(180.0) }
}

const fn sided(at: usize, name: &'static str, unit: &'static str, negative: &'static str) -> Column {
    Column { at, name, kind: Kind::Sided(unit, negative) }
}

const fn always(code: &'static str, columns: &'static [Column]) -> Sentence {
    Sentence { code, validity: None, columns }
}

/// A sentence that is valid if a column has the letter A.
const fn if_active(code: &'static str, at: usize, columns: &'static [Column]) -> Sentence {
    Sentence { code, validity: Some((at, &["A"])), columns }
}

const SENTENCES: &[Sentence] = &[
    always(
        "GGA",
        &[
            latitude(1),
            longitude(3),
            number(5, "quality", ""),
            number(6, "satellites", ""),
            number(7, "hdop", ""),
            number(8, "altitude", "m"),
            number(10, "geoid_separation", "m"),
        ],
    ),
    if_active(
        "RMC",
        1,
        &[
            latitude(2),
            longitude(4),
            number(6, "speed", "kn"),
            number(7, "course", "°"),
            sided(9, "variation", "°", "W"),
        ],
    ),
    if_active("GLL", 5, &[latitude(0), longitude(2)]),
    always(
        "GNS",
        &[
            latitude(1),
            longitude(3),
            number(6, "satellites", ""),
            number(7, "hdop", ""),
            number(8, "altitude", "m"),
            number(9, "geoid_separation", "m"),
        ],
    ),
    always(
        "GSA",
        &[number(1, "fix", ""), number(14, "pdop", ""), number(15, "hdop", ""), number(16, "vdop", "")],
    ),
    // Every sentence of a group says the count.
    Sentence { code: "GSV", validity: Some((1, &["1"])), columns: &[number(2, "satellites_in_view", "")] },
    always("VTG", &[number(0, "course", "°"), number(2, "course_magnetic", "°"), number(4, "speed", "kn")]),
    always("HDT", &[number(0, "heading", "°")]),
    if_active("THS", 1, &[number(0, "heading", "°")]),
    always("HDM", &[number(0, "heading_magnetic", "°")]),
    always(
        "HDG",
        &[
            number(0, "heading_magnetic", "°"),
            sided(1, "deviation", "°", "W"),
            sided(3, "variation", "°", "W"),
        ],
    ),
    if_active("ROT", 1, &[number(0, "rate_of_turn", "°/min")]),
    if_active("RSA", 1, &[number(0, "rudder", "°")]),
    if_active("RPM", 4, &[Column { at: 2, name: "speed", kind: Kind::Engine(0, 1) }]),
    always("DBT", &[number(2, "depth", "m")]),
    always("DBS", &[number(2, "depth_below_surface", "m")]),
    always("DBK", &[number(2, "depth_below_keel", "m")]),
    always("DPT", &[number(0, "depth", "m"), number(1, "depth_offset", "m")]),
    always(
        "VHW",
        &[number(0, "heading", "°"), number(2, "heading_magnetic", "°"), number(4, "water_speed", "kn")],
    ),
    always("VLW", &[number(0, "log", "nmi"), number(2, "trip", "nmi")]),
    always("MTW", &[number(0, "water_temperature", "°C")]),
    always("MMB", &[number(2, "pressure", "bar")]),
    if_active(
        "MWV",
        4,
        &[
            Column { at: 0, name: "wind_angle", kind: Kind::Wind(1, None) },
            Column { at: 2, name: "wind_speed", kind: Kind::Wind(1, Some(3)) },
        ],
    ),
    always("VWR", &[sided(0, "relative_wind_angle", "°", "L"), number(2, "relative_wind_speed", "kn")]),
    always("VWT", &[sided(0, "true_wind_angle", "°", "L"), number(2, "true_wind_speed", "kn")]),
    always(
        "MWD",
        &[
            number(0, "wind_direction", "°"),
            number(2, "wind_direction_magnetic", "°"),
            number(6, "wind_speed", "m/s"),
        ],
    ),
    always(
        "MDA",
        &[
            number(2, "pressure", "bar"),
            number(4, "air_temperature", "°C"),
            number(6, "water_temperature", "°C"),
            number(8, "humidity", "%"),
            number(10, "dew_point", "°C"),
            number(12, "wind_direction", "°"),
            number(18, "wind_speed", "m/s"),
        ],
    ),
];

/// The sentence of a code, such as `RMC`.
pub(super) fn find(code: &str) -> Option<&'static Sentence> {
    SENTENCES.iter().find(|sentence| sentence.code == code)
}

/// The unit of a transducer, of its kind and the letter of the unit; empty: it is not known.
pub(super) fn transducer_unit(kind: &str, letter: &str) -> &'static str {
    match (kind, letter) {
        (_, "C") => "°C",
        (_, "D") => "°",
        ("H", "P") => "%",
        ("P", "P") => "Pa",
        ("P", "B") => "bar",
        ("D", "M") => "m",
        ("V", "M") => "m³",
        ("F", "H") => "Hz",
        ("N", "N") => "N",
        ("T", "R") => "rpm",
        ("U", "V") => "V",
        ("I", "A") => "A",
        _ => "",
    }
}

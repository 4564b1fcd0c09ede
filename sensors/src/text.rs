//! What a text says: a number, one of the known words, or nothing. Every format hands its texts over to these rules.
//!
//! A text that is exactly a number is that number, and `on`, `off`, `true`, `false` in any case are 1 and 0. Further
//! words, the decimal mark and units are read as configured, and never guessed.

mod grouped;
mod unit;

use crate::decimal::Decimal;
use grouped::Mark;
use headwater_settings::{At, Or, Table};
use std::sync::Arc;

/// In `skip`: every text that is neither a number nor one of `words`.
const ALL_OTHERS: &str = "*";

/// The meaning of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum TextMeaning {
    /// A number; may be infinite or NaN.
    Number(f64),
    /// A word of `skip`, or no text at all: no reading.
    Nothing,
    /// Any other text.
    Other,
}

/// The rules by which the texts of a source are read.
#[derive(Clone, Debug, Default)]
pub struct TextRules {
    /// Words in lower case; `None` means no reading.
    words: Arc<[(String, Option<f64>)]>,
    mark: Mark,
    strips_units: bool,
    /// Whether whatever else there is means no reading.
    skips_others: bool,
}

impl TextRules {
    /// Reads `words`, `skip`, `decimal` and `units`. `None`: there were mistakes, which the table has noted.
    pub(crate) fn read(table: &mut Table<'_>) -> Option<Self> {
        let words = table.numbers("words").map(|words| words.value).unwrap_or_default();
        let skip = table.strings("skip").given().unwrap_or_default();
        let mark =
            table.choice("decimal", &[(".", Mark::Point), (",", Mark::Comma)]).value_or(Mark::default());
        let strips_units = table.choice("units", &[("strip", true)]).value_or(false);
        let known = words.into_iter().map(|(word, At { value, span })| (word, Some(value), span));
        let skips_others = skip.iter().any(|word| word.value == ALL_OTHERS);
        let skip = skip.into_iter().filter(|word| word.value != ALL_OTHERS);
        let skipped = skip.map(|word| (word.value, None, word.span));
        let mut all: Vec<(String, Option<f64>)> = Vec::new();
        let mut is_sound = true;
        for (word, meaning, span) in known.chain(skipped) {
            let lower = word.trim().to_lowercase();
            let refusal = match all.iter().find(|(known, _)| *known == lower) {
                _ if lower.is_empty() => Some("an empty text is no reading anyway".to_owned()),
                Some((_, earlier)) if *earlier != meaning => {
                    Some(format!("`{word}` has two meanings in `words` and `skip`, whatever its case"))
                }
                _ => None,
            };
            if let Some(what) = refusal {
                table.refuse(span, what, "give each word one meaning");
                is_sound = false;
            }
            all.push((lower, meaning));
        }
        is_sound.then(|| Self { words: all.into(), mark, strips_units, skips_others })
    }

    /// Whether a comma is the decimal mark.
    pub(crate) fn has_comma(&self) -> bool {
        self.mark == Mark::Comma
    }

    /// Whether whatever is neither a number nor a known word is no reading.
    pub(crate) fn skips_others(&self) -> bool {
        self.skips_others
    }

    /// The meaning of a text.
    #[inline]
    pub(crate) fn meaning(&self, text: &str) -> TextMeaning {
        if self.words.is_empty()
            && self.mark != Mark::Comma
            && let Some(number) = Decimal::plain(text.as_bytes())
        {
            return TextMeaning::Number(number);
        }
        self.meaning_of_any(text.trim())
    }

    fn meaning_of_any(&self, text: &str) -> TextMeaning {
        if text.is_empty() {
            return TextMeaning::Nothing;
        }
        if let Some((_, meaning)) = self.words.iter().find(|(word, _)| is_word(text, word)) {
            return meaning.map_or(TextMeaning::Nothing, TextMeaning::Number);
        }
        let number = self.mark.number(text).or_else(|| switch(text));
        let number = number.or_else(|| if self.strips_units { unit::strip(text, self.mark) } else { None });
        let other = if self.skips_others { TextMeaning::Nothing } else { TextMeaning::Other };
        number.map_or(other, TextMeaning::Number)
    }

    /// The key of the source's table that would make a number of this text.
    pub(crate) fn way_out(&self, text: &str) -> &'static str {
        let text = text.trim();
        let with = |mark, strips_units| Self { mark, strips_units, ..Self::default() }.meaning_of_any(text);
        let is_number = |meaning| matches!(meaning, TextMeaning::Number(_));
        if text.contains(char::REPLACEMENT_CHARACTER) {
            "its bytes are not UTF-8; set the sender to UTF-8, or name it in `skip` if it is no reading"
        } else if text.starts_with(['{', '[']) {
            "is it another `format`? What is in a text within a payload is read as FIELD/NAME"
        } else if is_number(with(self.mark, true)) {
            "write units = \"strip\" to read it without its unit"
        } else if is_number(with(Mark::Comma, true)) && !is_number(with(Mark::Point, true)) {
            "write decimal = \",\" if its comma is a decimal mark"
        } else if is_number(with(Mark::Point, true)) {
            "write decimal = \".\" if its commas or blanks group digits"
        } else {
            "give it a number in `words`, or name it in `skip` if it is no reading"
        }
    }
}

/// Whether the text is the word, which is in lower case.
fn is_word(text: &str, word: &str) -> bool {
    text.eq_ignore_ascii_case(word) || text.chars().flat_map(char::to_lowercase).eq(word.chars())
}

/// 1 or 0 for the words of switches.
fn switch(text: &str) -> Option<f64> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") || is("on") {
        Some(1.0)
    } else if is("false") || is("off") {
        Some(0.0)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::TextMeaning::{Nothing, Number, Other};
    use super::*;
    use headwater_settings::Document;
    use proptest::prelude::*;
    use std::path::Path;

    fn read(text: &str) -> Result<TextRules, String> {
        let document = Document::parse(Path::new("test.toml"), text, |_| None);
        let mut root = document.root();
        let rules = TextRules::read(&mut root);
        root.finish();
        let mistakes: Vec<String> = document.mistakes().iter().map(|mistake| mistake.what.clone()).collect();
        if mistakes.is_empty() { Ok(rules.unwrap()) } else { Err(mistakes.join("; ")) }
    }

    fn check(config: &str, cases: &[(&str, TextMeaning)]) {
        let rules = read(config).unwrap();
        for (text, meaning) in cases {
            assert_eq!(rules.meaning(text), *meaning, "{config}: {text}");
        }
    }

    #[test]
    fn a_text_that_is_exactly_a_number_is_one() {
        let cases = [
            ("21.5", Number(21.5)),
            (" -3e2\u{a0}", Number(-300.0)),
            ("+7", Number(7.0)),
            (".5", Number(0.5)),
            ("007", Number(7.0)),
            ("ON", Number(1.0)),
            ("False", Number(0.0)),
            ("", Nothing),
            (" \t", Nothing),
            ("51N.0601", Other),
            ("0x1F", Other),
            ("1_000", Other),
            ("19,5", Other),
            ("1,234.5", Other),
            ("20.6 ℃", Other),
            ("0T03:38:34", Other),
            ("2024-01-31", Other),
            ("Eco", Other),
        ];
        check("", &cases);
    }

    #[test]
    fn words_have_the_meaning_that_people_give_them() {
        let config = "words = { open = 1, closed = 0, \"zu spät\" = -2.5, on = 0, 9999 = 7 }\nskip = [\"unavailable\", \"None\"]";
        let cases = [
            ("open", Number(1.0)),
            ("CLOSED", Number(0.0)),
            ("ZU SPÄT", Number(-2.5)),
            ("On", Number(0.0)),
            ("off", Number(0.0)),
            ("9999", Number(7.0)),
            ("none", Nothing),
            (" Unavailable ", Nothing),
            ("unknown", Other),
            ("21.5", Number(21.5)),
        ];
        check(config, &cases);
    }

    #[test]
    fn a_star_skips_what_is_no_number() {
        let config = "words = { open = 1 }\nskip = [\"*\"]";
        let cases =
            [("21.5", Number(21.5)), ("on", Number(1.0)), ("Open", Number(1.0)), ("House bank", Nothing)];
        check(config, &cases);
        assert!(read(config).unwrap().skips_others() && !read("skip = [\"a\"]").unwrap().skips_others());
    }

    #[test]
    fn contradictory_words_are_mistakes() {
        for (config, told) in [
            ("words = { open = 1, Open = 0 }", "`Open` has two meanings"),
            ("words = { open = 1 }\nskip = [\"OPEN\"]", "`OPEN` has two meanings"),
            ("skip = [\"\"]", "an empty text"),
            ("words = { open = \"1\" }", "`open` is a string here, not a finite number"),
            ("words = { open = nan }", "`open` is NaN, out of range"),
            ("units = \"keep\"", "`units` cannot be `keep`"),
        ] {
            let mistake = read(config).unwrap_err();
            assert!(mistake.contains(told), "{config}: {mistake}");
        }
        assert!(read("words = { open = 1, OPEN = 1 }\nskip = [\"a\", \"A\"]").is_ok());
    }

    #[test]
    fn the_way_out_names_the_key() {
        let rules = TextRules::default();
        for (text, key) in [
            ("{\"v\":1}", "another `format`"),
            ("19,5", "decimal = \",\""),
            ("45%", "units"),
            ("1,234.5", "decimal = \".\""),
            ("open", "words"),
        ] {
            assert!(rules.way_out(text).contains(key), "{text}: {}", rules.way_out(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in "\\PC{0,40}", comma: bool) {
            let mark = if comma { Mark::Comma } else { Mark::Point };
            let rules = TextRules { mark, strips_units: true, ..TextRules::default() };
            let _ = (rules.meaning(&text), rules.way_out(&text));
        }

        #[test]
        fn written_numbers_read_back(number in -1e9..1e9_f64) {
            prop_assert_eq!(TextRules::default().meaning(&number.to_string()), Number(number));
            let rules = TextRules { mark: Mark::Comma, strips_units: true, ..TextRules::default() };
            let written = number.to_string().replace('.', ",");
            prop_assert_eq!(rules.meaning(&written), Number(number));
            prop_assert_eq!(rules.meaning(&format!("{written} kWh")), Number(number));
        }
    }
}

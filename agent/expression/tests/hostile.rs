//! Whatever the text: an answer, never a panic, and never more stack than was promised.

use headwater_expression::{DEPTH_MAX, EvalError, Expression, ExpressionType, Input, TEXT_BYTES_MAX};
use proptest::prelude::*;

/// The promise of the crate's documentation.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 1 << 20 } else { 192 << 10 };

const TOKENS: [&str; 64] = [
    "value",
    "series",
    "labels",
    "time",
    "labels.zone",
    "labels['zone']",
    "math.",
    "math.abs(",
    "math.greatest(",
    "has(",
    "size(",
    "int(",
    "double(",
    "timestamp(",
    ".getHours()",
    ".startsWith(",
    ".contains(",
    "'a'",
    "\"b\"",
    "r'c'",
    "'''d'''",
    "'1.5'",
    "'2024-01-01T00:00:00Z'",
    "0",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1e300",
    ".5",
    "0x1F",
    "true",
    "false",
    "null",
    "in",
    "(",
    ")",
    "[",
    "]",
    ",",
    ".",
    "?",
    ":",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "&&",
    "||",
    "and",
    "=",
    "// x\n",
    " ",
    "'",
    "\\",
    "ü",
];

fn evaluate(text: &str) {
    let labels = [("zone".to_owned(), "1.5".to_owned())];
    for want in [ExpressionType::Condition, ExpressionType::Number] {
        let program = match Expression::compile(text, want) {
            Ok(program) => program,
            Err(error) => {
                assert!(text.get(error.span.clone()).is_some(), "{text:?}: {error:?}");
                continue;
            }
        };
        let values = [0.0, -0.0, 21.5, f64::MAX, f64::NAN, f64::NEG_INFINITY];
        for (value, time_ms) in values.into_iter().zip([0, -1, i64::MIN, i64::MAX, 1_700_000_000_123, 1]) {
            for labels in [&labels[..], &[]] {
                let input = Input { value, time_ms, series: "a/ü", labels, fields: &[] };
                match want {
                    ExpressionType::Condition => {
                        assert_eq!(program.number(&input), Err(EvalError::OtherKind))
                    }
                    ExpressionType::Number => assert_eq!(program.filter(&input), Err(EvalError::OtherKind)),
                }
                assert!(program.number(&input).is_err() || program.number(&input).is_ok_and(f64::is_finite));
                let _outcome = program.filter(&input);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        evaluate(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn characters(text in "\\PC{0,80}") {
        evaluate(&text);
    }

    #[test]
    fn tokens(tokens in proptest::collection::vec(proptest::sample::select(&TOKENS[..]), 0..40)) {
        evaluate(&tokens.concat());
        evaluate(&tokens.join(" "));
    }

    /// Sound expressions give what the same gives in Rust, to the bit.
    #[test]
    fn arithmetic(tree in tree(), value in -1e3..1e3) {
        let text = tree.text();
        let program = Expression::compile(&text, ExpressionType::Number).expect(&text);
        let expected = tree.of(value);
        match program.number(&Input { value, time_ms: 0, series: "", labels: &[], fields: &[] }) {
            Ok(number) => prop_assert_eq!(number.to_bits(), expected.to_bits(), "{}", text),
            Err(_) => prop_assert!(!expected.is_finite(), "{}", text),
        }
    }

    #[test]
    fn every_cut_of_a_sound_text(at in 0usize..120, other in proptest::sample::select(&TOKENS[..])) {
        let text = "has(labels.zone) && labels['zone'] in ['a', 'b'] ? math.abs(value - 3) < 1e-3 : time.getHours() >= 6";
        let at = at.min(text.len());
        evaluate(&text[..at]);
        evaluate(&text[at..]);
        evaluate(&format!("{}{other}{}", &text[..at], &text[at..]));
    }
}

/// Arithmetic in doubles.
#[derive(Clone, Debug)]
enum Tree {
    Value,
    Number(f64),
    Binary(Box<Tree>, char, Box<Tree>),
}

impl Tree {
    /// In brackets only where precedence and associativity ask for them.
    fn text(&self) -> String {
        match self {
            Self::Value => "value".to_owned(),
            Self::Number(number) => format!("{number:?}"),
            Self::Binary(left, sign, right) => {
                let binds = self.binds();
                let bracket =
                    |part: &Self, needed| if needed { format!("({})", part.text()) } else { part.text() };
                let (left, right) =
                    (bracket(left, left.binds() < binds), bracket(right, right.binds() <= binds));
                format!("{left} {sign} {right}")
            }
        }
    }

    fn binds(&self) -> u8 {
        match self {
            Self::Binary(_, '+' | '-', _) => 1,
            Self::Binary(..) => 2,
            _ => 3,
        }
    }

    fn of(&self, value: f64) -> f64 {
        match self {
            Self::Value => value,
            Self::Number(number) => *number,
            Self::Binary(left, sign, right) => {
                let (left, right) = (left.of(value), right.of(value));
                match sign {
                    '+' => left + right,
                    '-' => left - right,
                    '*' => left * right,
                    _ => left / right,
                }
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![Just(Tree::Value), (0u32..1000).prop_map(|n| Tree::Number(f64::from(n) / 8.0))];
    leaf.prop_recursive(6, 40, 2, |inner| {
        (inner.clone(), proptest::sample::select(&['+', '-', '*', '/'][..]), inner)
            .prop_map(|(left, sign, right)| Tree::Binary(Box::new(left), sign, Box::new(right)))
    })
}

#[test]
fn the_deepest_expressions_fit_the_promised_stack() {
    let deep = DEPTH_MAX - 3;
    let texts = [
        format!("{}value{} > 1.0", "(".repeat(deep), ")".repeat(deep)),
        format!("{}value{} > 1.0", "math.abs(".repeat(deep), ")".repeat(deep)),
        format!("{}value{} > 1.0", "1.5 * (2.5 - ".repeat(deep / 2), ")".repeat(deep / 2)),
        format!("{}value > 1.0{}", "true && (false || ".repeat(deep / 2), ")".repeat(deep / 2)),
        format!("{}true{}", "!(".repeat(deep / 2), ")".repeat(deep / 2)),
        format!("{}true", "!".repeat(deep)),
        format!("{}value > 1.0", "value > 1.0 ? true : ".repeat(deep)),
        format!("labels[{}'zone'{}] == 'a'", "labels[".repeat(deep), "]".repeat(deep)),
        format!("{}value{} > 1.0", "math.greatest(1.5, ".repeat(deep), ")".repeat(deep)),
        format!("1{} > 1.0", " + size(series)".repeat(deep)),
        "(".repeat(TEXT_BYTES_MAX),
        "[".repeat(TEXT_BYTES_MAX),
        "!".repeat(TEXT_BYTES_MAX),
        "a.".repeat(TEXT_BYTES_MAX / 2),
    ];
    let work = move || texts.iter().for_each(|text| evaluate(text));
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).expect("a thread");
    thread.join().expect("no overflow");
}

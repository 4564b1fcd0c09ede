//! Amounts: numbers, or percents of another one.

use super::Table;
use crate::at::At;
use crate::node::TomlValue;
use crate::outline::Wanted;

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// A number.
    Absolute(f64),
    /// A share, in percent.
    Percent(f64),
}

impl Table<'_> {
    /// A finite number that is not negative, or one in percent: `0.5` or `"1%"`.
    pub fn amount(&mut self, key: &str) -> Option<At<Amount>> {
        let node = self.ask(key, Wanted::Amount)?;
        let wanted = "a number such as 0.5, or a share such as \"1%\"";
        let TomlValue::Text(_) = &node.value else {
            let At { value, span } = self.number_of(node, key, 0.0..=f64::MAX)?;
            return Some(At { value: Amount::Absolute(value), span });
        };
        let text = self.text_of(node, &format!("`{key}`"))?.value;
        let percent = |text: &str| {
            let number: f64 = text.strip_suffix('%')?.trim().parse().ok()?;
            (number >= 0.0 && number.is_finite()).then_some(number)
        };
        let value = self.parsed(node, key, &text, wanted, percent)?;
        Some(At { value: Amount::Percent(value), span: node.span.clone() })
    }
}

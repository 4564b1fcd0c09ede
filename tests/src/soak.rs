//! Agents that are killed again and again under load, and what a subscriber must have received all the same.
//!
//! Readings are consecutive numbers. One stream forwards each as a message; another counts them in windows. The trial sees
//! what a kill may cost: readings from before a checkpoint are safe, because a checkpoint is written only when the messages
//! before it are.

pub mod kill;
mod ledger;
mod load;
pub mod power;
mod trial;

//! Agents that end by force, again and again under load, and what a subscriber must have got nevertheless.
//!
//! Readings go in as numbers, one after another; a stream without windows forwards each as a message, another one
//! counts them in windows. What a life may cost is not guessed from the time but seen: readings that were taken before
//! a checkpoint are safe, because it is written only when the messages before it are.

pub mod kill;
mod ledger;
mod load;
pub mod power;
mod trial;

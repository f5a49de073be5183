//! Everything that the soak test chooses by chance. A seed and a round always give the same choices.

use bson::Bson;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::documents;

pub struct Random {
    pub numbers: ChaCha8Rng,
    runner: TestRunner,
    values: BoxedStrategy<Bson>,
    keys: BoxedStrategy<String>,
}

impl Random {
    pub fn new(seed: u64, round: u64) -> Self {
        let mut numbers = ChaCha8Rng::seed_from_u64(seed);
        numbers.set_stream(round);
        let bytes: [u8; 32] = numbers.random();
        let config = Config { failure_persistence: None, ..Config::default() };
        Self {
            runner: TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)),
            numbers,
            values: documents::values().boxed(),
            keys: documents::keys().boxed(),
        }
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.numbers.random_range(0..end.max(1))
    }

    pub fn chance(&mut self, share: f64) -> bool {
        self.numbers.random_bool(share)
    }

    pub fn one_of<'v, T>(&mut self, values: &'v [T]) -> &'v T {
        values.choose(&mut self.numbers).expect("a choice")
    }

    /// A value of any kind of BSON.
    pub fn value(&mut self) -> Bson {
        self.values.new_tree(&mut self.runner).expect("a value").current()
    }

    pub fn key(&mut self) -> String {
        self.keys.new_tree(&mut self.runner).expect("a key").current()
    }

    pub fn text(&mut self, letters: &[char], most: usize) -> String {
        (0..self.below(most + 1)).map(|_| *self.one_of(letters)).collect()
    }
}

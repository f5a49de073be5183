//! A stream of random choices that is the same for the same seed.
//!
//! Knows randomness, but not what is chosen.

use bson::oid::ObjectId;
use fake::Fake;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(super) struct Chance {
    rng: ChaCha8Rng,
}

impl Chance {
    /// The stream of one customer. It does not depend on the number of other customers.
    pub fn of_customer(seed: u64, index: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Stream 0 belongs to the loan types.
        rng.set_stream(index + 1);
        Self { rng }
    }

    pub fn of_types(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// The stream of one document on one day, so that its change does not depend on the order of reading.
    pub fn of_document(seed: u64, day: i64, salt: &str, id: &[u8]) -> Self {
        // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) is small, and unlike std's hasher it never changes.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let bytes =
            seed.to_le_bytes().into_iter().chain(day.to_le_bytes()).chain(salt.bytes()).chain(id.iter().copied());
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self { rng: ChaCha8Rng::seed_from_u64(hash) }
    }

    /// True with probability `rate`.
    pub fn happens(&mut self, rate: f64) -> bool {
        self.rng.random::<f64>() < rate
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        if low >= high { low } else { self.rng.random_range(low..=high) }
    }

    pub fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.rng.random_range(0..among.len())]
    }

    /// The index of one of `weights`, with a probability in proportion to its weight.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.rng.random_range(0..weights.iter().sum::<u32>().max(1));
        for (index, &weight) in weights.iter().enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    pub fn fake<U, F: Fake>(&mut self, faker: F) -> U
    where
        U: fake::Dummy<F>,
    {
        faker.fake_with_rng(&mut self.rng)
    }

    /// An id like those of a server: it begins with the seconds, so that ids sort by time.
    pub fn object_id(&mut self, at: i64) -> ObjectId {
        let seconds = u32::try_from(at / 1000).unwrap_or(0);
        ObjectId::from_parts(seconds, self.rng.random(), self.rng.random())
    }

    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from(self.pick(b"0123456789ABCDEF"))).collect()
    }
}

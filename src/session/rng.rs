//! Jitter: SplitMix64 (Steele, Lea, Flood 2014). It spreads load; nothing secret hangs on it.

use crate::clock::Millis;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A length from zero to `limit`, both included.
    pub(super) fn up_to(&mut self, limit: Millis) -> Millis {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // The bias of a remainder is below 2^-40 for any delay that occurs here.
        Millis(z % limit.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_spreads_over_the_whole_range_and_stays_in_it() {
        let mut rng = Rng::new(7);
        let draws: Vec<u64> = (0..10_000).map(|_| rng.up_to(Millis(9)).0).collect();
        for value in 0..=9 {
            let share = draws.iter().filter(|&&draw| draw == value).count();
            assert!((800..1_200).contains(&share), "{value}: {share} of 10,000");
        }
        assert!(draws.iter().all(|&draw| draw <= 9));
        assert_eq!(rng.up_to(Millis(0)), Millis(0));
    }
}

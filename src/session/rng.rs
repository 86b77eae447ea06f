//! Jitter: SplitMix64 (Steele, Lea, Flood 2014). It spreads load; nothing secret hangs on it.

use crate::clock::Millis;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rng {
    state: u64,
    #[cfg(feature = "model")]
    dictated: Dictated,
}

/// What the model checker says instead.
#[cfg(feature = "model")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Dictated {
    /// Every draw is this many hundredths of its limit.
    share: Option<u64>,
    /// Whether there was a draw since it was said.
    drawn: bool,
}

impl Rng {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            state: seed,
            #[cfg(feature = "model")]
            dictated: Dictated { share: None, drawn: false },
        }
    }

    /// Says what is drawn from now on; whether anything was drawn since it was said last.
    #[cfg(feature = "model")]
    pub(super) fn dictate(&mut self, share: Option<u64>) -> bool {
        std::mem::replace(&mut self.dictated, Dictated { share, drawn: false }).drawn
    }

    /// A length from zero to `limit`, both included.
    pub(super) fn up_to(&mut self, limit: Millis) -> Millis {
        #[cfg(feature = "model")]
        if let Some(share) = self.dictated.share {
            self.dictated.drawn = true;
            return limit.percent(share);
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
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

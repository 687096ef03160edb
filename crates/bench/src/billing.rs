//! What an invocation costs: Lambda's memory sizes, and the time that is billed at each.

use std::time::Duration;

/// The memory at which a function has one whole core (Lambda developer guide, "Configure Lambda function memory").
const MEMORY_OF_A_CORE: f64 = 1_769.0;
/// The sizes that Lambda has, in MB, in steps of one.
const SIZES: (u32, u32) = (128, 10_240);
/// What is added to the peak: a function that needs all its memory is killed now and then.
const ROOM: f64 = 1.15;
/// How long an invocation may take.
pub(crate) const LONGEST: Duration = Duration::from_mins(15);

/// The smallest memory, in MB, that holds a peak and some room.
pub(crate) fn memory_for(peak_kib: u64) -> u32 {
    #[expect(clippy::cast_precision_loss, reason = "of some megabytes")]
    let needed = (peak_kib as f64 * ROOM / 1_024.0).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as large as Lambda's largest")]
    let size = needed.min(f64::from(SIZES.1)) as u32;
    size.max(SIZES.0)
}

/// How long an invocation takes in a function of this memory, given how long it took on whole cores and how much of that it
/// computed: less memory is a smaller share of a core, so that what is computed takes longer, and what is waited for does
/// not.
pub(crate) fn duration_at(memory: u32, wall: Duration, cpu: Duration) -> Duration {
    let slower = (MEMORY_OF_A_CORE / f64::from(memory)).max(1.0);
    wall.max(wall.saturating_sub(cpu) + cpu.mul_f64(slower))
}

/// The price's unit: seconds times memory.
pub(crate) fn gb_seconds(memory: u32, duration: Duration) -> f64 {
    f64::from(memory) / 1_024.0 * duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_the_peak_and_some_room_within_the_sizes_that_there_are() {
        for (peak_mib, memory) in [(0, 128), (20, 128), (111, 128), (112, 129), (200, 230), (20_000, 10_240)] {
            assert_eq!(memory_for(peak_mib * 1_024), memory, "{peak_mib}");
        }
    }

    #[test]
    fn what_is_computed_takes_longer_on_a_smaller_share_of_a_core() {
        let seconds = Duration::from_secs;
        for (memory, wall, cpu, expected) in [
            (1_769, 10, 4, 10.0),
            (3_000, 10, 4, 10.0),
            // two computed seconds take 13.8 times as long
            (128, 10, 2, 8.0 + 2.0 * 1_769.0 / 128.0),
            (128, 10, 0, 10.0),
            // two cores computed: at one core's share not less than the wall
            (1_769, 5, 8, 8.0),
        ] {
            let took = duration_at(memory, seconds(wall), seconds(cpu)).as_secs_f64();
            assert!((took - expected).abs() < 1e-6, "{memory} MB, {wall} s, {cpu} s: {took}");
        }
    }

    #[test]
    fn a_gb_second_is_one_gb_for_one_second() {
        assert!((gb_seconds(1_024, Duration::from_secs(3)) - 3.0).abs() < 1e-9);
        assert!((gb_seconds(128, Duration::from_secs(8)) - 1.0).abs() < 1e-9);
    }
}

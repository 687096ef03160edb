//! What happens in the demo's account, day by day.

use snapkeeper_core::run::Job;

use super::account::Account;

/// Something that someone does, or that befalls.
pub(super) enum Deed {
    /// The operator does it.
    Operator(String),
    /// It befalls.
    Mishap(String),
}

impl Deed {
    pub(super) fn who(&self) -> &'static str {
        match self {
            Self::Operator(_) => "operator",
            Self::Mishap(_) => "mishap",
        }
    }

    pub(super) fn what(&self) -> &str {
        match self {
            Self::Operator(what) | Self::Mishap(what) => what,
        }
    }
}

/// The first and the last day on which the creator does not run in us-east-1.
const CREATOR_OUTAGE: (i64, i64) = (15, 17);

/// Whether a job does not run there on this day.
pub(super) fn is_out(day: i64, job: Job, region: &str) -> bool {
    job == Job::Creator && region == "us-east-1" && (CREATOR_OUTAGE.0..=CREATOR_OUTAGE.1).contains(&day)
}

/// Lets the day's deeds happen, and tells of them.
pub(super) fn of_day(day: i64, account: &mut Account) -> anyhow::Result<Vec<Deed>> {
    let operator = |what: &str| Deed::Operator(what.to_owned());
    let mishap = |what: &str| Deed::Mishap(what.to_owned());
    Ok(match day {
        1 => found(account)?,
        6 => {
            account.keep_forever_newest("db-1")?;
            vec![operator("tags the newest backup of db-1 KeepForever, before a migration")]
        }
        9 => {
            account.register_image_of_newest("web-1")?;
            vec![operator("makes an image of the newest snapshot of web-1's root volume")]
        }
        12 => {
            account.tag_instance("legacy-1", "Retention", "2w")?;
            vec![operator("corrects the tag Retention of legacy-1 from `2weeks` to `2w`")]
        }
        15 => vec![mishap("the creator does not run in us-east-1 for three days")],
        18 => vec![mishap("the creator runs again")],
        22 => {
            account.simulator.region_down("us-west-2");
            vec![mishap("the region us-west-2 is down")]
        }
        25 => {
            account.simulator.region_up("us-west-2");
            vec![mishap("us-west-2 is back")]
        }
        28 => {
            account.fail_next_snapshot("db-1", "/dev/sdf");
            vec![mishap("EBS fails one volume of db-1, and the set with it")]
        }
        30 => {
            account.terminate("batch-1")?;
            vec![operator("terminates batch-1: its backups expire as they were going to")]
        }
        34 => {
            account.deregister_image()?;
            vec![operator("deregisters the image")]
        }
        _ => Vec::new(),
    })
}

/// The account on its first day.
fn found(account: &mut Account) -> anyhow::Result<Vec<Deed>> {
    let east = "us-east-1";
    account.run_instance(east, "web-1", &["/dev/sdf"], &[("Backup", "Yes"), ("Copy_Dest", "us-west-2")])?;
    account.run_instance(
        east,
        "db-1",
        &["/dev/sdf", "/dev/sdg"],
        &[("Backup", "Yes"), ("Retention", "7d 4w 12m"), ("Copy_Dest", "us-west-2 eu-west-1")],
    )?;
    account.exclude_volume("db-1", "/dev/sdg")?;
    account.run_instance(east, "batch-1", &[], &[("Backup", "yes"), ("Retention", "5")])?;
    account.run_instance(east, "legacy-1", &[], &[("Backup", "Yes"), ("Retention", "2weeks")])?;
    account.run_instance(east, "test-1", &[], &[("Backup", "No")])?;
    account.run_instance(east, "forgotten-1", &[], &[])?;
    account.run_instance("eu-west-1", "crm-1", &[], &[("Backup", "Yes"), ("Retention", "14d"), ("Copy_Dest", east)])?;
    let rows = [
        "web-1        Backup=Yes Copy_Dest=us-west-2: two volumes, 7d by default",
        "db-1         Backup=Yes Retention='7d 4w 12m' Copy_Dest='us-west-2 eu-west-1'; /dev/sdg is left out by Backup=No",
        "batch-1      Backup=yes Retention=5",
        "legacy-1     Backup=Yes Retention=2weeks: a typing error",
        "test-1       Backup=No",
        "forgotten-1  without any tag",
        "crm-1        Backup=Yes Retention=14d Copy_Dest=us-east-1, in eu-west-1",
    ];
    Ok(rows.iter().map(|row| Deed::Operator(format!("starts {row}"))).collect())
}

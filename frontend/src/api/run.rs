//! Commands in the components of a deployment.

use boathouse_types::{NewRun, Run};

use super::{Answer, Api, Place};

impl Api {
    /// It starts by itself; what it writes is kept.
    pub async fn run_command(self, at: &Place, wanted: &NewRun) -> Answer<Run> {
        self.send("POST", &at.below("runs"), wanted).await
    }

    pub async fn cancel_run(self, at: &Place, number: i64) -> Answer<Run> {
        self.post(&at.below(&format!("runs/{number}/cancel"))).await
    }
}

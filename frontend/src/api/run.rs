//! Commands in the components of a deployment, once and at their times.

use boathouse_types::{NewRun, NewSchedule, Run, Schedule, ScheduleName, SetSchedule};

use super::{Answer, Api, Place};

impl Api {
    /// It starts by itself; what it writes is kept.
    pub async fn run_command(self, at: &Place, wanted: &NewRun) -> Answer<Run> {
        self.send("POST", &at.below("runs"), wanted).await
    }

    pub async fn cancel_run(self, at: &Place, number: i64) -> Answer<Run> {
        self.post(&at.below(&format!("runs/{number}/cancel"))).await
    }

    pub async fn create_schedule(self, at: &Place, new: &NewSchedule) -> Answer<Schedule> {
        self.send("POST", &at.below("schedules"), new).await
    }

    pub async fn change_schedule(self, at: &Place, name: &ScheduleName, set: &SetSchedule) -> Answer<Schedule> {
        self.send("PUT", &at.below(&format!("schedules/{name}")), set).await
    }

    pub async fn delete_schedule(self, at: &Place, name: &ScheduleName) -> Answer<()> {
        self.run("DELETE", &at.below(&format!("schedules/{name}"))).await
    }

    /// `pause`, `resume` or `run`.
    pub async fn schedule_action(self, at: &Place, name: &ScheduleName, what: &str) -> Answer<()> {
        self.run("POST", &at.below(&format!("schedules/{name}/{what}"))).await
    }
}

//! `boathouse restart`.

use boathouse_types::{Deployment, Identifier};

use super::failure::Result;
use super::place::PlaceArgs;
use super::{Context, status};

/// Restart the containers of a deployment one after the other, add-ons first, or those of one component
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only of this component or add-on
    component: Option<Identifier>,
    /// Only this one of its containers, from 1
    #[arg(long, value_name = "NUMBER", requires = "component")]
    replica: Option<u32>,
    #[command(flatten)]
    place: PlaceArgs,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let place = args.place.resolve()?;
    let path = match &args.component {
        Some(component) => {
            let replica = args.replica.map_or_else(String::new, |replica| format!("?replica={replica}"));
            place.below(&format!("containers/{component}/restart{replica}"))
        }
        None => place.below("restart"),
    };
    let deployment: Deployment = context.client()?.post(&path).await?;
    context.out.result(&deployment, || status::describe(&deployment))
}

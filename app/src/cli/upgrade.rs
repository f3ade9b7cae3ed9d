//! `boathouse addon upgrade`.

use boathouse_types::{AddonVersions, Identifier, Release, UpgradeAddon};
use http::Method;

use super::failure::Result;
use super::place::PlaceArgs;
use super::{Context, deploy, prompt};

/// Bring an add-on to another version, with its data; without `--to` say which there are
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its identifier
    addon: Identifier,
    #[command(flatten)]
    place: PlaceArgs,
    /// The version, a tag of its image
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// The warning was read; do not ask
    #[arg(long, short)]
    yes: bool,
    /// Do not wait for the end
    #[arg(long)]
    detach: bool,
}

pub async fn run(args: Args, context: &Context) -> Result<()> {
    let (client, place) = (context.client()?, args.place.resolve()?);
    let path = place.below(&format!("addons/{}/upgrade", args.addon));
    let versions: AddonVersions = client.get(&path).await?;
    let Some(version) = args.to else {
        return context.out.result(&versions, || words(&args.addon, &versions));
    };
    let chosen = versions.choices.iter().find(|choice| choice.version == version);
    if let Some(warning) = chosen.and_then(|choice| choice.warning.as_ref()) {
        context.out.note(&format!("warning: {warning}"));
        prompt::agree(&format!("{} goes to {version}.", args.addon), &version, args.yes)?;
    }
    let body = UpgradeAddon { version, confirm: args.yes || chosen.is_some_and(|choice| choice.warning.is_some()) };
    let release: Release = client.call(Method::POST, &path, &body).await?;
    context.out.note(&format!("release #{} of {place} brings {} to {}", release.number, args.addon, body.version));
    if args.detach {
        return context.out.result(&release, || {
            format!("boathouse release log {} --follow --project {}", release.number, place.project)
        });
    }
    deploy::finish(&client, &place, release.number, context).await
}

fn words(addon: &Identifier, versions: &AddonVersions) -> String {
    let mut lines = vec![format!("{addon} runs {}", versions.current)];
    for choice in &versions.choices {
        let what = match (&choice.refusal, choice.migrates) {
            (Some(refusal), _) => format!("cannot be: {refusal}"),
            (None, true) => "moves the data to new files, while the components are stopped".to_owned(),
            (None, false) if choice.version == versions.current => "asks the registry for what it is today".to_owned(),
            (None, false) => "on the same files".to_owned(),
        };
        lines.push(format!("  {:<12}  {what}", choice.version));
    }
    if versions.choices.is_empty() {
        lines.push("  its package lists no versions; name a tag of its image: --to TAG".to_owned());
    }
    lines.join("\n")
}

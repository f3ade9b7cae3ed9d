//! What a stack becomes at stage development: each component runs its development server on code that lies in a volume.

use boathouse_types::{DeploymentStage, Identifier};

use super::{Component, Origin, Stack, Volume};
use crate::error::{Result, invalid};

/// The Dockerfile of the development server.
pub const DOCKERFILE: &str = "Dockerfile.dev";
/// What an identifier may have at most, less what is put before it.
const KEPT: usize = 35;

/// Makes it that. `has` tells whether the source has a regular file of that relative path.
///
/// # Errors
/// A component that has neither a `Dockerfile.dev` nor a command for development: the error says what to add.
pub fn settle(stack: &mut Stack, has: impl Fn(&str) -> bool) -> Result<()> {
    for part in &mut stack.components {
        let by_command = part.command_at(DeploymentStage::Development).is_some();
        let Origin::Build { folder, dockerfile, target, .. } = &mut part.origin else { continue };
        let own = if folder == "." { DOCKERFILE.to_owned() } else { format!("{folder}/{DOCKERFILE}") };
        if has(&own) {
            DOCKERFILE.clone_into(dockerfile);
            *target = None;
            part.files = None;
        } else if part.files.is_some() {
            // Built once per release and served as files; nothing of it runs.
            continue;
        } else if !by_command {
            return Err(nothing_to_run(&part.identifier, folder));
        }
        add_code(part)?;
    }
    Ok(())
}

/// Where it is mounted is known once the image is built: over its working directory.
fn add_code(part: &mut Component) -> Result<()> {
    let kept: String = part.identifier.as_str().chars().take(KEPT).collect();
    let identifier: Identifier = format!("code-{}", kept.trim_end_matches('-')).parse()?;
    let mut code = Volume::new(identifier, String::new());
    code.stages.insert(DeploymentStage::Development);
    code.code = true;
    part.volumes.push(code);
    Ok(())
}

fn nothing_to_run(component: &Identifier, folder: &str) -> crate::error::Error {
    let folder = if folder == "." { "the root folder" } else { folder };
    invalid(format!("the component \"{component}\" has no development server: there is no {DOCKERFILE} in {folder}, and the manifest names no command"))
        .hint(format!(
            "Add a {DOCKERFILE} there that installs the packages and starts the server (with a WORKDIR), or `containerCommands: {{developmentStart: …}}` to the component, or choose another stage."
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack;

    fn settled(text: &str, files: &[&str]) -> Result<Stack> {
        let mut made = stack::parse("m", text).unwrap();
        settle(&mut made, |path| files.contains(&path))?;
        Ok(made)
    }

    #[test]
    fn the_dockerfile_of_development_wins_then_the_command_then_nothing() {
        let two = "components:\n  - {identifier: web, static: /app/dist, build: {}}\n  - {identifier: api, containerCommands: {developmentStart: [npm, run, dev]}}\n";
        let made = settled(two, &["web/Dockerfile.dev"]).unwrap();
        let of = |part: &Component| match &part.origin {
            Origin::Build { dockerfile, .. } => dockerfile.clone(),
            _ => String::new(),
        };
        let [web, api] = &made.components[..] else { panic!("two") };
        assert_eq!((of(web).as_str(), of(api).as_str()), ("Dockerfile.dev", "Dockerfile"));
        assert!(web.files.is_none(), "a development server, not files");
        for part in [web, api] {
            assert_eq!(part.code().unwrap().identifier.as_str(), format!("code-{}", part.identifier));
        }
        let files = settled(two, &[]).unwrap();
        assert!(files.components[0].files.is_some() && files.components[0].code().is_none());
        let error = settled("components:\n  - {identifier: web, folder: /}\n", &["Dockerfile"]).unwrap_err();
        assert!(error.message.contains("web") && error.hint.unwrap().contains("developmentStart"));
    }
}

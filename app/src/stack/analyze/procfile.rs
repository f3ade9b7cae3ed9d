//! A `Procfile`: the processes of an application, each with its line. What it says wins over what a framework usually starts.

use boathouse_types::{Identifier, Topic};

use super::app::{App, Process};
use super::folder::Folder;

const NAME: &str = "Procfile";
/// The process that visitors reach.
const WEB: &str = "web";
/// What runs once for each release.
const RELEASE: &str = "release";
/// Processes of one application.
const MAX_PROCESSES: usize = 20;
/// An image of which nothing but the program is known to be there.
const BARE: &str = "FROM scratch\n";

/// Gives an application the processes of its folder's Procfile.
pub fn apply(folder: &Folder<'_>, app: &mut App) {
    let Some(text) = folder.text(NAME) else { return };
    if app.files.is_some() {
        return;
    }
    let of_own = app.dockerfile.is_none().then(|| folder.text("Dockerfile")).flatten();
    if app.dockerfile.as_deref().or(of_own.as_deref()).is_some_and(|text| text.contains(BARE)) {
        app.warn(
            "the Procfile is left out: its lines need what the image does not have, which is made of the program alone",
        );
        return;
    }
    let lines = lines(&text);
    app.before = lines.iter().find(|(name, _)| *name == RELEASE).map(|(_, line)| (*line).to_owned());
    for (name, line) in lines.into_iter().filter(|(name, _)| *name != RELEASE) {
        let Ok(identifier) = name.to_ascii_lowercase().replace('_', "-").parse::<Identifier>() else {
            app.warn(format!("the process \"{name}\" of the Procfile is left out: a component cannot be called so"));
            continue;
        };
        if app.processes.len() < MAX_PROCESSES && !app.processes.iter().any(|other| other.name == identifier) {
            app.saw(folder, NAME, format!("starts the process {name} with `{line}`"));
            app.processes.push(Process { is_web: name == WEB, name: identifier, line: line.to_owned() });
        }
    }
    // The web process comes first: the address of the first component is the deployment's.
    app.processes.sort_by_key(|process| !process.is_web);
    let Some(first) = app.processes.first().cloned() else {
        app.before = None;
        return;
    };
    app.runs = true;
    app.findings.retain(|finding| finding.topic != Topic::Start && (first.is_web || finding.topic != Topic::Port));
    let fact = format!("starts the process {} with `{}`", first.name, first.line);
    app.found(Topic::Start, first.line, folder, NAME, fact);
    if let Some(line) = app.before.clone() {
        app.saw(folder, NAME, format!("runs `{line}` before each release"));
    }
    if of_own.is_some_and(|text| text.lines().any(|line| line.trim_start().starts_with("ENTRYPOINT"))) {
        app.warn("the Dockerfile has an ENTRYPOINT: it gets the lines of the Procfile as its arguments");
    }
}

/// `NAME: LINE`, each name once; what is anything else is no process.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let read = text.lines().filter_map(|line| line.split_once(':')).map(|(name, line)| (name.trim(), line.trim()));
    read.filter(|(name, line)| is_name(name) && !line.is_empty() && !line.contains('\0')).collect()
}

#[cfg(test)]
mod tests {
    use boathouse_types::DeploymentStage::{Development, Production};
    use boathouse_types::{DeploymentStage, Proposal};

    use crate::stack::analyze::analyze;
    use crate::stack::{Component, Stack, read_manifest, resolve};

    fn look(files: &[(&str, &str)]) -> (Proposal, Stack) {
        let paths: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let read = |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, text)| (*text).to_owned());
        let proposal = analyze(&paths, &read).unwrap();
        let stack = read_manifest("boathouse.yaml", &proposal.manifest)
            .and_then(|manifest| resolve(&manifest, &|url| crate::catalog::find(&url.to_string())));
        let stack = stack.unwrap_or_else(|why| panic!("{why}\n{}", proposal.manifest));
        (proposal, stack)
    }

    fn words(part: &Component, stage: DeploymentStage) -> Vec<&str> {
        part.command_at(stage).map(|words| words.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    const FLASK: [(&str, &str); 2] =
        [("requirements.txt", "flask\ngunicorn\nredis\n"), ("app.py", "app = Flask(__name__)\n")];

    #[test]
    fn each_process_is_a_component_and_all_but_web_are_workers() {
        let text = "# processes\nworker: python worker.py --queue mail\nrelease: python manage.py migrate\nnot a line\n\
            web: gunicorn app:app --bind 0.0.0.0:$PORT\nBeat_Clock: celery beat && echo 'over: \"it\"'\n";
        let (proposal, stack) = look(&[FLASK[0], FLASK[1], ("Procfile", text)]);
        let names: Vec<&str> = stack.components.iter().map(|part| part.identifier.as_str()).collect();
        assert_eq!(names, ["web", "worker", "beat-clock"], "{}", proposal.manifest);
        let [web, worker, beat] = &stack.components[..] else { panic!() };
        assert!(stack.components.iter().all(|part| part.origin == web.origin && !part.imports.is_empty()));
        assert_eq!((web.port, web.hosts.len(), web.health.running_s), (Some(8000), 1, None));
        assert_eq!(web.release.before.as_deref().unwrap().join(" "), "python manage.py migrate");
        for (part, expected) in [
            (web, &["/bin/sh", "-c", "gunicorn app:app --bind 0.0.0.0:$PORT"][..]),
            (worker, &["python", "worker.py", "--queue", "mail"]),
            (beat, &["/bin/sh", "-c", "celery beat && echo 'over: \"it\"'"]),
        ] {
            assert_eq!((words(part, Production), words(part, Development)), (expected.to_vec(), expected.to_vec()));
        }
        for worker in [worker, beat] {
            assert_eq!((worker.hosts.len(), worker.health.running_s, worker.port), (0, Some(5), None));
            assert!(worker.release.is_empty());
        }
        let facts = proposal.evidence.iter().filter(|fact| fact.file == "Procfile").count();
        assert!(facts >= 4 && proposal.warnings.is_empty(), "{:?} {:?}", proposal.evidence, proposal.warnings);
    }

    #[test]
    fn without_a_web_process_nobody_is_reached_and_folders_keep_their_names() {
        let (_, stack) = look(&[FLASK[0], ("bot.py", ""), ("Procfile", "bot: python bot.py\nrelease: echo $HOME\n")]);
        let bot = &stack.components[0];
        assert_eq!((bot.identifier.as_str(), bot.hosts.len(), bot.health.running_s), ("bot", 0, Some(5)));
        assert_eq!(bot.release.before.as_deref().unwrap(), ["/bin/sh", "-c", "echo $HOME"]);

        let procfile = ("api/Procfile", "web: flask run\nworker: python w.py\nworker: python again.py\n9: x\n");
        let (proposal, stack) =
            look(&[("api/requirements.txt", "flask"), ("api/x.py", ""), procfile, ("www/index.html", "")]);
        let names: Vec<&str> = stack.components.iter().map(|part| part.identifier.as_str()).collect();
        assert_eq!(names, ["api", "api-worker", "www"]);
        assert_eq!(words(&stack.components[1], Production), ["python", "w.py"]);
        assert!(proposal.warnings.iter().any(|why| why.contains("\"9\"")), "{:?}", proposal.warnings);
    }

    #[test]
    fn an_image_that_has_the_program_alone_starts_it() {
        let go = [
            ("go.mod", "module x\ngo 1.22\n"),
            ("main.go", "package main\nfunc main() {}"),
            ("Procfile", "web: bin/x\n"),
        ];
        let (proposal, stack) = look(&go);
        assert!(words(&stack.components[0], Production).is_empty());
        assert!(proposal.warnings.iter().any(|why| why.contains("Procfile")), "{:?}", proposal.warnings);
        let own =
            [("Dockerfile", "FROM debian\nENTRYPOINT [\"/run\"]\nEXPOSE 80\n"), ("Procfile", "web: a\nworker: b\n")];
        let (proposal, stack) = look(&own);
        assert_eq!((stack.components.len(), stack.components[0].port), (2, Some(80)));
        assert!(proposal.warnings.iter().any(|why| why.contains("ENTRYPOINT")), "{:?}", proposal.warnings);
    }
}

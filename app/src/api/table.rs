//! THE route table: every path of the API, who may call it, what it takes and answers. A test walks it.

use actix_web::http::Method;
use boathouse_types::*;

use super::route::{Need, Route, route};
use super::{
    addon, analyze, backup, catalog, catalog_source, cloning, code, commit_status, container, data_backup, deployment,
    disk, env, environment, event, folder, git, git_login, hook, host, image, incoming, log, manifest, openapi, plan,
    preview, project, registry, release, resources, run, schedule, session, setup, shared, stack, stack_push, status,
    system, token, upload, user, volume,
};

const ANYONE: Need = Need::Anyone;
const VIEWER: Need = Need::Role(Role::Viewer);
const MEMBER: Need = Need::Role(Role::Member);
const ADMIN: Need = Need::Role(Role::Admin);
const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

const PROJECT: &str = "/projects/{project}";
const DEPLOYMENTS: &str = "/projects/{project}/deployments";
const DEPLOYMENT: &str = "/projects/{project}/deployments/{deployment}";
const RELEASES: &str = "/projects/{project}/deployments/{deployment}/releases";
const ENV: &str = "/projects/{project}/deployments/{deployment}/env";
const RESOURCES: &str = "/projects/{project}/deployments/{deployment}/resources";
const RUNS: &str = "/projects/{project}/deployments/{deployment}/runs";
const SCHEDULES: &str = "/projects/{project}/deployments/{deployment}/schedules";
const SCHEDULE: &str = "/projects/{project}/deployments/{deployment}/schedules/{schedule}";
const IMAGES: &str = "/projects/{project}/deployments/{deployment}/images";
const WATCH: &str = "/projects/{project}/deployments/{deployment}/images/{component}/watch";
const FOLDER: &str = "/projects/{project}/deployments/{deployment}/folder";
const BACKUPS: &str = "/projects/{project}/deployments/{deployment}/backups";
const BACKUP: &str = "/projects/{project}/deployments/{deployment}/backups/{backup}";
const HOSTS: &str = "/projects/{project}/deployments/{deployment}/hosts";
const CONFIRM: &[(&str, &str)] = &[
    ("confirm", "The name again; nothing is deleted without it."),
    ("now", "`true`: without a way back. Also ends the period of what was deleted before."),
];
const DELETED: &[(&str, &str)] =
    &[("deleted", "`true`: what was deleted and can be restored, instead of what is there.")];
/// One of a component's containers.
const REPLICA: &[(&str, &str)] = &[("replica", "Which of several, from 1; the one that does worst where absent.")];
const CALL: &[(&str, &str)] = &[
    ("deployment", "The deployment; `production` where absent."),
    ("ref", "A branch, tag, commit or image; the deployment's own where absent."),
    ("wait", "Seconds to wait for the release's end, at most 600; then the status is 200, else 202."),
];
const ARCHIVES: &[&str] = &["application/x-tar", "application/gzip", "application/zstd", "application/zip"];

/// All routes, in the order of the document.
#[rustfmt::skip]
pub fn routes() -> Vec<Route> {
    [access(), building(), projects(), hooks(), deployments(), releases(), runs(), settings(), instance()].into_iter().flatten().collect()
}

#[rustfmt::skip]
fn access() -> Vec<Route> {
    vec![
        route(GET, "/setup", ANYONE, setup::state).says("Whether the first administrator is still to be made").answers::<SetupState>(),
        route(POST, "/setup", ANYONE, setup::complete).says("Make the first administrator with the one-time token; signs in by cookie; 404 afterwards").takes::<Setup>().answers::<Session>(),
        route(POST, "/session", ANYONE, session::sign_in).says("Sign in; sets a session cookie").takes::<SignIn>().answers::<Session>(),
        route(GET, "/session", VIEWER, session::who_am_i).says("Who is calling").answers::<Session>(),
        route(DELETE, "/session", VIEWER, session::sign_out).says("Sign out").with_status(204),
        route(PUT, "/session/password", VIEWER, session::change_password).says("Change your own password; ends your other sessions").takes::<ChangePassword>().with_status(204),
        route(GET, "/users", ADMIN, user::list).says("All users").answers_many::<User>(),
        route(POST, "/users", ADMIN, user::create).says("Create a user").takes::<NewUser>().answers::<User>(),
        route(PATCH, "/users/{user}", ADMIN, user::change).says("Change a user's role; it counts at once").takes::<ChangeUser>().answers::<User>(),
        route(DELETE, "/users/{user}", ADMIN, user::delete).says("Delete a user with its sessions and tokens").with_status(204),
        route(PUT, "/users/{user}/password", ADMIN, user::set_password).says("Set a password; ends the user's sessions").takes::<SetPassword>().with_status(204),
        route(GET, "/tokens", VIEWER, token::list).says("Your tokens; all for an administrator").answers_many::<Token>(),
        route(POST, "/tokens", VIEWER, token::create).says("Make a token; its secret is shown this once").takes::<NewToken>().answers::<CreatedToken>(),
        route(DELETE, "/tokens/{token}", VIEWER, token::revoke).says("Revoke a token").with_status(204),
        route(GET, "/registries", ADMIN, registry::list).says("Logins at image registries; a password is never returned").answers_many::<Registry>(),
        route(POST, "/registries", ADMIN, registry::add).says("Add a login, or replace the one of that registry; pulls and builds use it").takes::<NewRegistry>().answers::<Registry>(),
        route(DELETE, "/registries/{registry}", ADMIN, registry::remove).says("Remove the login of a registry").with_status(204),
    ]
}

#[rustfmt::skip]
fn building() -> Vec<Route> {
    vec![
        route(GET, "/catalog", VIEWER, catalog::list).says("Packages that a stack can be made of").answers_many::<CatalogPackage>(),
        route(GET, "/catalog/sources", VIEWER, catalog_source::list).says("Sources of packages besides those in the binary").answers_many::<CatalogSource>(),
        route(POST, "/catalog/sources", ADMIN, catalog_source::add).says("Add a git repository or a folder of the server as a source of packages; 202 where it is not there after 20 s").takes::<NewCatalogSource>().answers::<CatalogSource>(),
        route(POST, "/catalog/sources/{source}/refresh", ADMIN, catalog_source::refresh).says("Fetch a source anew; what was fetched before stays where that fails").answers::<CatalogSource>(),
        route(DELETE, "/catalog/sources/{source}", ADMIN, catalog_source::remove).says("Remove a source with its packages; what was deployed of them stays").with_status(204),
        route(GET, "/catalog/{package}", VIEWER, catalog::get).says("One package, by its name or an alias").answers::<CatalogPackage>(),
        route(GET, "/starters", VIEWER, catalog::starters).says("Stacks that somebody chose already, to begin with").answers_many::<Starter>(),
        route(POST, "/analyze", MEMBER, analyze::remote).says("What a git repository is, from its files, and the manifest and Dockerfiles that it could have; nothing of it runs, nothing is kept").takes::<Analyze>().answers::<Proposal>(),
        route(POST, "/analyze/upload", MEMBER, analyze::archive).says("The same of an archive").takes_bytes(ARCHIVES).answers::<Proposal>(),
        route(POST, "/projects/{project}/analyze", MEMBER, analyze::project).says("The same of a project's own source").takes::<AnalyzeProject>().answers::<Proposal>(),
        route(POST, "/projects/{project}/proposal", MEMBER, manifest::use_proposal).says("Use a proposal: committed in your name where the repository lives on this server, which deploys as a push does; else the project keeps it").takes::<UseProposal>().answers::<UsedProposal>(),
        route(GET, "/projects/{project}/manifest", VIEWER, manifest::show).says("The manifest that the project keeps for a source that has none; null where it keeps none").answers_maybe::<ProjectManifest>(),
        route(PUT, "/projects/{project}/manifest", MEMBER, manifest::set).says("Keep a manifest and Dockerfiles for the project's source; what the source has of its own wins").takes::<UseProposal>().answers::<ProjectManifest>(),
        route(DELETE, "/projects/{project}/manifest", MEMBER, manifest::remove).says("Keep no manifest any more").with_status(204),
        route(POST, "/stacks/preview", VIEWER, stack::preview).says("The code that a choice of packages becomes; nothing is made").takes::<StackChoice>().answers::<StackPreview>(),
        route(POST, "/stacks", MEMBER, stack::create).says("Make the code, a git repository on this server that holds it, and the project").takes::<StackChoice>().answers::<Project>(),
        route(POST, "/stacks/push", MEMBER, stack_push::push).says("Make the code and push it to an empty repository of yours, which becomes the project's source; where the push fails, the same request tries again").takes::<PushStack>().answers::<Project>(),
        route(GET, "/git/{repository}/info/refs", VIEWER, git::refs).says("Git's smart protocol: what there is to fetch or to push to (a push needs a member)")
            .query(&[("service", "`git-upload-pack` or `git-receive-pack`.")]).answers_bytes(&["application/x-git-upload-pack-advertisement", "application/x-git-receive-pack-advertisement"]),
        route(POST, "/git/{repository}/git-upload-pack", VIEWER, git::fetch).says("Git's smart protocol: clone and fetch").takes_bytes(&["application/x-git-upload-pack-request"]).answers_bytes(&["application/x-git-upload-pack-result"]),
        route(POST, "/git/{repository}/git-receive-pack", MEMBER, git::push).says("Git's smart protocol: push; a branch that is deployed gets a release").takes_bytes(&["application/x-git-receive-pack-request"]).answers_bytes(&["application/x-git-receive-pack-result"]),
    ]
}

#[rustfmt::skip]
fn projects() -> Vec<Route> {
    vec![
        route(GET, "/projects", VIEWER, project::list).says("All projects with their deployments").query(DELETED).answers_many::<Project>(),
        route(POST, "/projects", MEMBER, project::create).says("Create a project and its deployment `production`").takes::<NewProject>().answers::<Project>(),
        route(GET, PROJECT, VIEWER, project::get).says("One project").answers::<Project>(),
        route(PATCH, PROJECT, MEMBER, project::change).says("Change a project's display name, or its source: the next release uses it").takes::<ChangeProject>().answers::<Project>(),
        route(DELETE, PROJECT, MEMBER, project::delete).says("Delete a project with all its deployments: they stop, and go with their volumes when the recycle period ends").query(CONFIRM).answers::<Deletion>(),
        route(GET, "/projects/{project}/deletion", VIEWER, project::deletion).says("What a deletion of the project would take").answers::<Deletion>(),
        route(POST, "/projects/{project}/restore", MEMBER, project::restore).says("Bring a deleted project back, with the deployments that were deleted with it").answers::<Project>(),
        route(POST, "/projects/{project}/duplicate", MEMBER, project::duplicate).says("A new project with this one's source, deployments and variables; without data, releases and hosts").takes::<DuplicateProject>().answers::<Project>(),
        route(PUT, "/projects/{project}/git-login", MEMBER, git_login::set).says("Set how the server signs in at the project's https remote; kept sealed, for that host alone, and never returned").takes::<GitLogin>().with_status(204),
        route(DELETE, "/projects/{project}/git-login", MEMBER, git_login::remove).says("Forget how to sign in at the project's remote").with_status(204),
        route(POST, "/projects/{project}/deploy-key", MEMBER, project::make_deploy_key).says("Make an ed25519 deploy key for ssh remotes, replacing the one before").answers::<Project>(),
    ]
}

#[rustfmt::skip]
fn hooks() -> Vec<Route> {
    vec![
        route(POST, "/hooks/{project}", ANYONE, incoming::receive).says("What a git host calls; signed with the hook's secret, at most 8 MiB; the same delivery twice is done once").takes_bytes(&["application/json", "application/x-www-form-urlencoded"]).answers::<Delivery>().with_status(202),
        route(POST, "/hooks/{project}/deploy", ANYONE, incoming::deploy).says("Deploy, with the project's deploy token as bearer; everything may stand in the query instead").query(CALL).takes::<CallDeploy>().answers::<CalledDeploy>().with_status(202),
        route(POST, "/hooks/{project}/deploy/{token}", ANYONE, incoming::deploy_by_address).says("The same, for who can send no header").query(CALL).takes::<CallDeploy>().answers::<CalledDeploy>().with_status(202),
        route(GET, "/projects/{project}/hook", VIEWER, hook::show).says("A project's hook and its deploy token, without their secrets").answers::<Hook>(),
        route(POST, "/projects/{project}/hook", MEMBER, hook::make).says("Make the hook's secret, in place of the one before").answers::<HookSecret>(),
        route(DELETE, "/projects/{project}/hook", MEMBER, hook::remove).says("Remove the hook's secret: no delivery is believed any more").with_status(204),
        route(POST, "/projects/{project}/hook/reveal", MEMBER, hook::reveal).says("The hook's secret in the clear; an event says who saw it").answers::<HookSecret>(),
        route(POST, "/projects/{project}/hook/token", MEMBER, hook::make_token).says("Make the deploy token, in place of the one before; it is shown this once").answers::<DeployToken>(),
        route(DELETE, "/projects/{project}/hook/token", MEMBER, hook::revoke_token).says("Revoke the deploy token").with_status(204),
        route(GET, "/projects/{project}/commit-status", VIEWER, commit_status::show).says("Where a project posts commit statuses, and how that goes; null where it posts none. The token is never returned").answers_maybe::<CommitStatus>(),
        route(PUT, "/projects/{project}/commit-status", MEMBER, commit_status::set).says("Post the state of each release to its commit at the git host, with this token").takes::<SetCommitStatus>().answers::<CommitStatus>(),
        route(GET, "/projects/{project}/preview-settings", VIEWER, preview::settings).says("What a project has previews of, and what they are like; null where it has none").answers_maybe::<PreviewSettings>(),
        route(PUT, "/projects/{project}/preview-settings", MEMBER, preview::set).says("Make a preview of each pull request, or of each branch of a pattern, from now on").takes::<PreviewSettings>().answers::<PreviewSettings>(),
        route(DELETE, "/projects/{project}/preview-settings", MEMBER, preview::unset).says("Make no more previews; those that are there go with their branch, or with their time").with_status(204),
        route(GET, "/projects/{project}/previews", VIEWER, preview::list).says("A project's previews, oldest first").answers_many::<Preview>(),
        route(POST, "/projects/{project}/previews/{deployment}/extend", MEMBER, preview::extend).says("Begin the time of a preview anew").answers::<Preview>(),
        route(DELETE, "/projects/{project}/commit-status", MEMBER, commit_status::remove).says("Post no commit statuses any more, and forget the token").with_status(204),
        route(GET, "/projects/{project}/deliveries", VIEWER, hook::deliveries).says("What hooks told and what became of it, newest first; kept for 30 days, at most 1000").query(&[("before", "Only ids below this."), ("limit", "At most so many; 30 where absent, at most 200.")]).answers_many::<Delivery>(),
        route(GET, "/projects/{project}/deliveries/{delivery}", VIEWER, hook::delivery).says("One delivery").answers::<Delivery>(),
        route(POST, "/projects/{project}/deliveries/{delivery}/redeliver", MEMBER, hook::redeliver).says("Decide a push or tag anew, by the repository as it is now").answers::<Delivery>().with_status(202),
    ]
}

#[rustfmt::skip]
fn deployments() -> Vec<Route> {
    vec![
        route(GET, DEPLOYMENTS, VIEWER, deployment::list).says("A project's deployments").query(DELETED).answers_many::<Deployment>(),
        route(POST, DEPLOYMENTS, MEMBER, deployment::create).says("Create a deployment").takes::<NewDeployment>().answers::<Deployment>(),
        route(GET, DEPLOYMENT, VIEWER, deployment::get).says("One deployment with its health, hosts and containers").answers::<Deployment>(),
        route(PATCH, DEPLOYMENT, MEMBER, deployment::change).says("Change display name, branch, stage or protection; branch and stage count from the next release on").takes::<ChangeDeployment>().answers::<Deployment>(),
        route(DELETE, DEPLOYMENT, MEMBER, deployment::delete).says("Delete a deployment: it stops, and goes with its volumes when the recycle period ends").query(CONFIRM).answers::<Deletion>(),
        route(GET, "/projects/{project}/deployments/{deployment}/deletion", VIEWER, deployment::deletion).says("What a deletion of the deployment would take").answers::<Deletion>(),
        route(POST, "/projects/{project}/deployments/{deployment}/restore", MEMBER, deployment::restore).says("Bring a deleted deployment back as it was").answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/move", MEMBER, deployment::relocate).says("Give a deployment to another project, or another name; what runs goes on running").takes::<MoveDeployment>().answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/clone", MEMBER, cloning::create).says("Make a deployment with this one's configuration and, unless told otherwise, its data; this one stays up").takes::<NewClone>().answers::<Deployment>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/clone", VIEWER, cloning::get).says("How the deployment came about as a clone, and how far its copy is").answers::<CloneStatus>(),
        route(POST, "/projects/{project}/deployments/{deployment}/clone/cancel", MEMBER, cloning::cancel).says("End the copy that makes this deployment; nothing of it is left").answers::<Deployment>(),
        route(PUT, "/projects/{project}/deployments/{deployment}/code", MEMBER, code::put).says("Changed files of a deployment in development, as a tar archive relative to the source's folder; 202 where they have not arrived after 20 s").takes_bytes(&["application/x-tar", "application/gzip"]).answers::<CodeChange>(),
        route(POST, "/projects/{project}/deployments/{deployment}/code/delete", MEMBER, code::delete).says("Remove files and folders of a deployment in development").takes::<DeleteCode>().answers::<CodeChange>(),
        route(GET, FOLDER, VIEWER, folder::show).says("The folder of the server that the deployment follows; null where it follows none").answers_maybe::<WatchedFolder>(),
        route(PUT, FOLDER, ADMIN, folder::watch).says("Follow a folder of the server, below one that it was started with: changes go into the code of a deployment in development, and make a release of any other").takes::<WatchFolder>().answers::<WatchedFolder>(),
        route(DELETE, FOLDER, ADMIN, folder::unwatch).says("Follow no folder any more; what was deployed stays").with_status(204),
        route(POST, "/projects/{project}/deployments/{deployment}/start", MEMBER, deployment::start).says("Start what was stopped").answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/sleep", MEMBER, deployment::sleep).says("Put to sleep: nothing runs until the next request, which wakes it").answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/wake", MEMBER, deployment::awaken).says("Wake what sleeps").answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/extend", MEMBER, deployment::extend).says("Begin the time of a running deployment anew, also with another length").takes::<Extend>().answers::<Deployment>(),
        route(POST, "/projects/{project}/deployments/{deployment}/stop", MEMBER, deployment::stop).says("Stop all containers; volumes and releases stay").answers::<Deployment>(),
        route(GET, "/projects/{project}/deployments/{deployment}/status", VIEWER, status::show).says("The status tree: storage, images, containers, services, endpoints; as a stream, anew with each change").streams_one::<StatusTree>(),
        route(POST, "/projects/{project}/deployments/{deployment}/restart", MEMBER, container::restart_all).says("Restart all containers of the live release, one after the other, add-ons first").answers::<Deployment>(),
        route(GET, "/projects/{project}/deployments/{deployment}/containers/{component}", VIEWER, container::describe).says("A container with its full configuration as the engine has it; secrets are masked").query(REPLICA).answers::<ContainerDescription>(),
        route(POST, "/projects/{project}/deployments/{deployment}/containers/{component}/restart", MEMBER, container::restart).says("Restart the containers of one component or add-on of the live release, one after the other").query(&[("replica", "Only this one of several, from 1.")]).answers::<Deployment>(),
        route(GET, "/projects/{project}/deployments/{deployment}/addons", VIEWER, addon::list).says("The add-ons of the live release; secrets are masked").answers_many::<Addon>(),
        route(GET, "/projects/{project}/deployments/{deployment}/addons/{addon}", VIEWER, addon::get).says("One add-on").answers::<Addon>(),
        route(POST, "/projects/{project}/deployments/{deployment}/addons/{addon}/reveal", MEMBER, addon::reveal).says("The credentials and connection strings of an add-on, in the clear; recorded as an event").answers::<AddonSecrets>(),
        route(POST, "/projects/{project}/deployments/{deployment}/addons/{addon}/rotate", MEMBER, addon::rotate).says("Give an add-on new credentials and bring them to all who use them, without a moment in which neither old nor new are valid").answers::<Addon>(),
        route(GET, "/projects/{project}/deployments/{deployment}/addons/{addon}/upgrade", VIEWER, addon::versions).says("The versions that an add-on may go to, and what each step means").answers::<AddonVersions>(),
        route(POST, "/projects/{project}/deployments/{deployment}/addons/{addon}/upgrade", MEMBER, addon::upgrade).says("Bring an add-on to another version, with its data: a release of its own").takes::<UpgradeAddon>().answers::<Release>().with_status(202),
        route(PUT, "/projects/{project}/deployments/{deployment}/addons/{addon}/public", MEMBER, addon::expose).says("Open a port of this host to an add-on, for the networks that are named").takes::<SetPublicPort>().answers::<Addon>(),
        route(DELETE, "/projects/{project}/deployments/{deployment}/addons/{addon}/public", MEMBER, addon::unexpose).says("Close the public port of an add-on").with_status(204),
        route(GET, "/projects/{project}/deployments/{deployment}/volumes", VIEWER, volume::list).says("Volumes and what they take on the disk, as last counted").query(&[("fresh", "`true`: wait, at most 10 s, until they are counted anew.")]).answers_many::<Volume>(),
        route(DELETE, "/projects/{project}/deployments/{deployment}/volumes/{volume}", MEMBER, volume::delete).says("Delete a volume that nothing uses any more, with its data").query(CONFIRM).with_status(202),
        route(GET, BACKUPS, VIEWER, data_backup::list).says("Backups of the deployment's data, newest first, and how far those are that are made or restored").answers_many::<DataBackup>(),
        route(POST, BACKUPS, MEMBER, data_backup::create).says("Back up the deployment's data: dumps of its add-ons, the files of its other volumes").answers::<DataBackup>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/backup-policy", VIEWER, data_backup::policy).says("When the manifest wants the data backed up, when that is due next, and how the last one ended; null where it wants none").answers_maybe::<BackupPolicyStatus>(),
        route(GET, BACKUP, VIEWER, data_backup::get).says("One backup with its files").answers::<DataBackup>(),
        route(DELETE, BACKUP, MEMBER, data_backup::delete).says("Delete a backup for good").query(&[("confirm", "Its number again; nothing is deleted without it.")]).with_status(204),
        route(GET, "/projects/{project}/deployments/{deployment}/backups/{backup}/archive", MEMBER, data_backup::archive).says("A backup as one archive; recorded as an event").answers_bytes(&["application/x-tar"]),
        route(POST, "/projects/{project}/deployments/{deployment}/backups/{backup}/restore", MEMBER, data_backup::restore).says("Replace the data of this deployment, or of another one of the project, with that of a backup; it is stopped meanwhile").takes::<RestoreBackup>().answers::<DataBackup>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/logs", VIEWER, log::of_containers).says("What the containers print")
            .query(&[("component", "Only of this component."), ("replica", "Only of this one of its containers, from 1."), ("tail", "How many lines to begin with; 200 where absent."), ("after", "Go on after this line's id.")]).streams::<LogLine>(),
    ]
}

#[rustfmt::skip]
fn releases() -> Vec<Route> {
    vec![
        route(GET, RELEASES, VIEWER, release::list).says("Releases, newest first").query(&[("before", "Only numbers below this."), ("limit", "At most so many; 20 where absent, at most 200.")]).answers_many::<Release>(),
        route(POST, RELEASES, MEMBER, release::create).says("Deploy from git or an image").takes::<NewRelease>().answers::<Release>().with_status(202),
        route(POST, "/projects/{project}/deployments/{deployment}/releases/upload", MEMBER, upload::create).says("Deploy an archive of code or of an image, at most 2 GiB").query(&[("name", "What the archive is called."), ("image", "`true`: it is an image, as `docker save` or an OCI layout has it. Where absent, its content tells."), ("no_cache", "`true`: each step of the build is done anew, also what has not changed.")]).takes_bytes(ARCHIVES).answers::<Release>().with_status(202),
        route(POST, "/projects/{project}/deployments/{deployment}/releases/promote", MEMBER, release::promote).says("Deploy the manifest and images of another deployment's release with this one's environment; nothing is built").takes::<Promote>().answers::<Release>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/releases/{number}", VIEWER, release::get).says("One release with stages and failure").answers::<Release>(),
        route(GET, "/projects/{project}/deployments/{deployment}/releases/{number}/diff", VIEWER, release::diff).says("What a release has else than another of its deployment: parts, configuration, variables by name, what was built and its size").query(&[("from", "The number of the other release; the one that was live before where absent.")]).answers::<ReleaseDiff>(),
        route(POST, "/projects/{project}/deployments/{deployment}/releases/{number}/cancel", MEMBER, release::cancel).says("Cancel a release that is not live yet").answers::<Release>(),
        route(POST, "/projects/{project}/deployments/{deployment}/releases/{number}/rollback", MEMBER, release::roll_back).says("Make a new release of an earlier one's manifest, images and environment").answers::<Release>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/releases/{number}/log", VIEWER, log::of_release).says("The pipeline's log")
            .query(&[("after", "Go on after this line's id."), ("tail", "Only the last lines.")]).streams::<LogLine>(),
    ]
}

#[rustfmt::skip]
fn runs() -> Vec<Route> {
    vec![
        route(GET, RUNS, VIEWER, run::list).says("Commands that were run, newest first; the newest 50 of each schedule are kept, and of those that somebody asked for").query(&[("schedule", "Only those of this schedule."), ("before", "Only numbers below this."), ("limit", "At most so many; 20 where absent, at most 200.")]).answers_many::<Run>(),
        route(POST, RUNS, MEMBER, run::create).says("Run a command in a component or an add-on; with `attach` it begins once somebody reads `…/output`").takes::<NewRun>().answers::<Run>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/runs/{number}", VIEWER, run::get).says("One run, and how it ended").answers::<Run>(),
        route(POST, "/projects/{project}/deployments/{deployment}/runs/{number}/cancel", MEMBER, run::cancel).says("End a command: SIGTERM, and SIGKILL after 10 s").answers::<Run>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/runs/{number}/log", VIEWER, log::of_run).says("What a command wrote, secrets masked; nothing where somebody took part in it")
            .query(&[("after", "Go on after this line's id."), ("tail", "Only the last lines.")]).streams::<LogLine>(),
        route(GET, "/projects/{project}/deployments/{deployment}/runs/{number}/output", MEMBER, run::output).says("What an attached command writes, as server-sent events `stdout` and `stderr` (`RunOutput`), then `end`; it begins with that, for whoever asked for it alone, once; whoever closes the stream has hung up").streams::<RunOutput>(),
        route(POST, "/projects/{project}/deployments/{deployment}/runs/{number}/input", MEMBER, run::input).says("Bytes for the standard input of an attached command, at most 128 KiB; 503 where it reads none for 20 s: send the same again")
            .query(&[("at", "How many bytes came before these; what came already is left out."), ("end", "`true`: the input ends with these bytes.")]).takes_bytes(&["application/octet-stream"]).with_status(204),
        route(PUT, "/projects/{project}/deployments/{deployment}/runs/{number}/terminal", MEMBER, run::resize).says("The size of an attached command's terminal").takes::<TerminalSize>().with_status(204),
        route(GET, SCHEDULES, VIEWER, schedule::list).says("Commands that run at their times, when each is due next, and its last run").answers_many::<Schedule>(),
        route(POST, SCHEDULES, MEMBER, schedule::create).says("Run a command again and again").takes::<NewSchedule>().answers::<Schedule>(),
        route(PUT, SCHEDULE, MEMBER, schedule::change).says("Set what a schedule runs, and when").takes::<SetSchedule>().answers::<Schedule>(),
        route(DELETE, SCHEDULE, MEMBER, schedule::delete).says("Delete a schedule; what runs of it goes on, and its runs stay listed").with_status(204),
        route(POST, "/projects/{project}/deployments/{deployment}/schedules/{schedule}/pause", MEMBER, schedule::pause).says("Nothing of it is due until it is resumed").answers::<Schedule>(),
        route(POST, "/projects/{project}/deployments/{deployment}/schedules/{schedule}/resume", MEMBER, schedule::resume).says("Let it go on from now; what would have been due meanwhile is left out").answers::<Schedule>(),
        route(POST, "/projects/{project}/deployments/{deployment}/schedules/{schedule}/run", MEMBER, schedule::run).says("Run it now, beside its times").answers::<Run>().with_status(202),
    ]
}

#[rustfmt::skip]
fn settings() -> Vec<Route> {
    vec![
        route(GET, ENV, VIEWER, env::list).says("Variables; a secret's value is never returned").answers_many::<EnvVar>(),
        route(PUT, ENV, MEMBER, env::set).says("Set the given variables and keep the others; the next release uses them").takes::<SetEnv>().answers_many::<EnvVar>(),
        route(POST, "/projects/{project}/deployments/{deployment}/env/import", MEMBER, environment::import).says("Set all variables of a .env file and keep the others").query(&[("component", "Only for this component."), ("plain", "`true`: no secrets, their values may be shown again.")]).takes_bytes(&["text/plain"]).answers_many::<EnvVar>(),
        route(POST, "/projects/{project}/deployments/{deployment}/env/apply", MEMBER, environment::apply).says("Make a release of what is live with the variables and limits of now; nothing is built").answers::<Release>().with_status(202),
        route(POST, "/projects/{project}/deployments/{deployment}/env/{key}/reveal", MEMBER, environment::reveal).says("A variable's value in the clear; an event says who saw it").query(&[("component", "As this component or add-on gets it; what was set for all where absent.")]).answers::<Revealed>(),
        route(GET, "/projects/{project}/deployments/{deployment}/environment", VIEWER, environment::show).says("What each component and add-on gets, where each value comes from, and what restarts when it is applied").answers::<Environment>(),
        route(GET, RESOURCES, VIEWER, resources::show).says("Memory and CPU limits and the number of containers of each component and add-on: the manifest's, the deployment's own, and what runs").answers::<DeploymentResources>(),
        route(PATCH, RESOURCES, MEMBER, resources::change).says("Set limits and numbers of containers that win over the manifest's, or give them up (null); the next release has them").takes::<ChangeResources>().answers::<DeploymentResources>(),
        route(GET, IMAGES, VIEWER, image::list).says("The components and add-ons that run a ready image, how each is watched, and what is newer at its registry").answers_many::<RunningImage>(),
        route(PUT, WATCH, MEMBER, image::watch).says("Ask the registry of a ready image now and then for a newer one").takes::<SetImageWatch>().answers::<RunningImage>(),
        route(DELETE, WATCH, MEMBER, image::unwatch).says("Watch it no more").with_status(204),
        route(POST, "/projects/{project}/deployments/{deployment}/images/{component}/look", MEMBER, image::look).says("Ask the registry now; an event tells of what is newer").answers::<RunningImage>().with_status(202),
        route(POST, "/projects/{project}/deployments/{deployment}/images/{component}/deploy", MEMBER, image::deploy).says("Make a release of what is live with the newer image that was found; nothing is built").answers::<Release>().with_status(202),
        route(GET, "/projects/{project}/deployments/{deployment}/plan", VIEWER, plan::show).says("What a release of the present would change, in order, and what is not as the live release says")
            .query(&[("reference", "A branch, tag or commit: what a deploy of it would change; it is fetched and read, and nothing is kept.")]).answers::<Plan>(),
        route(POST, "/projects/{project}/deployments/{deployment}/plan", VIEWER, plan::of_manifest).says("What a release with another manifest would change; nothing is kept of it").takes::<NewPlan>().answers::<Plan>(),
        route(GET, "/projects/{project}/env", VIEWER, shared::list).says("Variables that a project's deployments share").answers_many::<EnvVar>(),
        route(PUT, "/projects/{project}/env", MEMBER, shared::set).says("Set the given variables of a project and keep the others").takes::<SetEnv>().answers_many::<EnvVar>(),
        route(DELETE, "/projects/{project}/env/{key}", MEMBER, shared::remove).says("Remove a variable of a project").with_status(204),
        route(POST, "/projects/{project}/env/{key}/reveal", MEMBER, shared::reveal).says("The value of a project's variable in the clear; an event says who saw it").answers::<Revealed>(),
        route(GET, "/projects/{project}/stages/{stage}/env", VIEWER, shared::list).says("Variables that a project's deployments of a stage share").answers_many::<EnvVar>(),
        route(PUT, "/projects/{project}/stages/{stage}/env", MEMBER, shared::set).says("Set the given variables of a stage and keep the others").takes::<SetEnv>().answers_many::<EnvVar>(),
        route(DELETE, "/projects/{project}/stages/{stage}/env/{key}", MEMBER, shared::remove).says("Remove a variable of a stage").with_status(204),
        route(POST, "/projects/{project}/stages/{stage}/env/{key}/reveal", MEMBER, shared::reveal).says("The value of a stage's variable in the clear; an event says who saw it").answers::<Revealed>(),
        route(GET, "/env", VIEWER, shared::list).says("Variables that all projects share").answers_many::<EnvVar>(),
        route(PUT, "/env", ADMIN, shared::set).says("Set the given variables of the instance and keep the others").takes::<SetEnv>().answers_many::<EnvVar>(),
        route(DELETE, "/env/{key}", ADMIN, shared::remove).says("Remove a variable of the instance").with_status(204),
        route(POST, "/env/{key}/reveal", ADMIN, shared::reveal).says("The value of a variable of the instance in the clear; an event says who saw it").answers::<Revealed>(),
        route(DELETE, "/projects/{project}/deployments/{deployment}/env/{key}", MEMBER, env::remove).says("Remove a variable").query(&[("component", "The one of this component.")]).with_status(204),
        route(GET, HOSTS, VIEWER, host::list).says("Public endpoints").answers_many::<Host>(),
        route(POST, HOSTS, MEMBER, host::create).says("Add a host").takes::<NewHost>().answers::<Host>(),
        route(DELETE, "/projects/{project}/deployments/{deployment}/hosts/{host}", MEMBER, host::remove).says("Remove a host").with_status(204),
        route(POST, "/projects/{project}/deployments/{deployment}/hosts/{host}/retry", MEMBER, host::retry).says("Try for a host's certificate now, where its CA allows that").answers::<Host>(),
    ]
}

#[rustfmt::skip]
fn instance() -> Vec<Route> {
    vec![
        route(GET, "/events", VIEWER, event::list).says("What happened and who did it, newest first")
            .query(&[("project", "Only of this project."), ("deployment", "Only of this deployment, or of its project as a whole."), ("before", "Only ids below this."), ("limit", "At most so many; 50 where absent, at most 500."), ("after", "Streams only: go on after this id.")]).streams::<Event>(),
        route(GET, "/system", VIEWER, system::show).says("Version, engine, disk, memory, builds").answers::<System>(),
        route(GET, "/system/disk", ADMIN, disk::show).says("What uses the disk and what of it is safe to free, measured now; the last measurement where that takes longer")
            .query(&[("wait", "Seconds to wait for the measurement, at most 600; 2 where absent.")]).answers::<DiskUsage>(),
        route(POST, "/system/disk/clean", ADMIN, disk::clean).says("Free what is safe: the build cache, images and logs that no release needs, old copies of the database; never a volume, never anything of others").takes::<CleanDisk>().answers::<CleanedDisk>(),
        route(GET, "/system/disk/settings", ADMIN, disk::settings_of).says("Budgets of the disk, and when its guard acts").answers::<DiskSettings>(),
        route(PATCH, "/system/disk/settings", ADMIN, disk::change).says("Change budgets or thresholds of the disk; what is absent stays").takes::<ChangeDiskSettings>().answers::<DiskSettings>(),
        route(GET, "/tasks", VIEWER, system::tasks).says("Background tasks and their last results").answers_many::<TaskStatus>(),
        route(GET, "/ca.pem", ANYONE, system::ca).says("The internal CA's root certificate").answers_bytes(&["application/x-pem-file"]),
        route(POST, "/backup", ADMIN, backup::create).says("Make a backup of the control plane; the key in it is sealed under the passphrase").takes::<NewBackup>().answers_bytes(&["application/gzip"]),
        route(GET, "/openapi.json", ANYONE, openapi::show).says("This document").answers_bytes(&["application/json"]),
        route(GET, "/healthz", ANYONE, system::healthz).says("Answers as long as the server does").answers_bytes(&["application/json"]),
    ]
}

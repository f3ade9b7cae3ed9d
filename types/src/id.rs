//! Typed row ids: a deployment's id can never be passed where a release's is meant.

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

id! {
    /// A user's row.
    UserId;
    /// An API token's row.
    TokenId;
    /// A project's row.
    ProjectId;
    /// A deployment's row.
    DeploymentId;
    /// A release's row; people see its `number`, which counts per deployment.
    ReleaseId;
    /// A host's row.
    HostId;
    /// A volume's row.
    VolumeId;
    /// An event's row; also the `id:` of its server-sent event, so `Last-Event-ID` resumes.
    EventId;
    /// A delivery's row.
    DeliveryId;
    /// A backup's row; its files are in a folder of that name.
    BackupId;
    /// A run's row; people see its `number`, which counts per deployment.
    RunId;
}

//! Which services an application uses: from its packages, and from the variables that it asks for.

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    Mariadb,
    /// MongoDB.
    Mongodb,
    /// Redis or Valkey.
    Redis,
    /// RabbitMQ.
    Rabbitmq,
    /// NATS.
    Nats,
    /// Meilisearch.
    Meilisearch,
    /// MinIO.
    Minio,
}

impl Need {
    /// The add-on of the catalog.
    pub fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mongodb => "mongodb",
            Self::Redis => "redis",
            Self::Rabbitmq => "rabbitmq",
            Self::Nats => "nats",
            Self::Meilisearch => "meilisearch",
            Self::Minio => "minio",
        }
    }

    /// What stands before its variables, where it has host, port, user, password and database each.
    fn prefix(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Postgres => Some(("POSTGRES", "DB")),
            Self::Mariadb => Some(("MARIADB", "DATABASE")),
            Self::Mongodb => Some(("MONGODB", "DATABASE")),
            _ => None,
        }
    }

    /// Their variable for one that programs ask for under another name.
    pub fn renamed(self, asked: &str) -> Option<String> {
        if self == Self::Redis {
            let own = ["REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_URL"];
            return matches!(asked, "CACHE_URL" | "REDIS_URI" | "CELERY_BROKER_URL").then(|| own[3].to_owned());
        }
        let (prefix, database) = self.prefix()?;
        let part = match asked {
            "DB_HOST" | "DATABASE_HOST" | "PGHOST" | "MYSQL_HOST" | "MONGO_HOST" => "HOST",
            "DB_PORT" | "DATABASE_PORT" | "PGPORT" | "MYSQL_PORT" | "MONGO_PORT" => "PORT",
            "DB_USER" | "DB_USERNAME" | "DATABASE_USER" | "PGUSER" | "MYSQL_USER" | "MONGO_USER" => "USER",
            "DB_PASSWORD" | "DB_PASS" | "DATABASE_PASSWORD" | "PGPASSWORD" | "MYSQL_PASSWORD" | "MONGO_PASSWORD" => {
                "PASSWORD"
            }
            "DB_NAME" | "DB_DATABASE" | "DATABASE_NAME" | "PGDATABASE" | "MYSQL_DATABASE" | "MONGO_DATABASE" => {
                database
            }
            "DB_URL" | "POSTGRES_URL" | "MYSQL_URL" | "MONGO_URL" | "MONGODB_URI" | "MONGO_URI" => {
                return Some("DATABASE_URL".to_owned());
            }
            _ => return None,
        };
        Some(format!("{prefix}_{part}"))
    }
}

/// The service behind a package's name, of any language.
pub fn of_package(name: &str) -> Option<Need> {
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
        "pg"
        | "postgres"
        | "pg-promise"
        | "slonik"
        | "psycopg"
        | "psycopg2"
        | "psycopg2-binary"
        | "asyncpg"
        | "pg8000"
        | "tokio-postgres"
        | "npgsql"
        | "npgsql.entityframeworkcore.postgresql"
        | "github.com/lib/pq"
        | "github.com/jackc/pgx"
        | "gorm.io/driver/postgres"
        | "@vercel/postgres"
        | "ext-pdo_pgsql"
        | "ext-pgsql" => Need::Postgres,
        "mysql"
        | "mysql2"
        | "mariadb"
        | "pymysql"
        | "mysqlclient"
        | "aiomysql"
        | "mysql-connector-python"
        | "mysql_async"
        | "mysqlconnector"
        | "mysql.data"
        | "pomelo.entityframeworkcore.mysql"
        | "github.com/go-sql-driver/mysql"
        | "gorm.io/driver/mysql"
        | "trilogy"
        | "ext-pdo_mysql"
        | "ext-mysqli" => Need::Mariadb,
        "mongodb"
        | "mongoose"
        | "pymongo"
        | "motor"
        | "mongoengine"
        | "mongodb.driver"
        | "mongoid"
        | "go.mongodb.org/mongo-driver" => Need::Mongodb,
        "redis"
        | "ioredis"
        | "bullmq"
        | "bull"
        | "aioredis"
        | "django-redis"
        | "stackexchange.redis"
        | "predis/predis"
        | "sidekiq"
        | "rq"
        | "connect-redis"
        | "github.com/redis/go-redis"
        | "github.com/go-redis/redis"
        | "github.com/gomodule/redigo" => Need::Redis,
        "amqplib"
        | "pika"
        | "aio-pika"
        | "lapin"
        | "rabbitmq.client"
        | "bunny"
        | "php-amqplib/php-amqplib"
        | "github.com/rabbitmq/amqp091-go" => Need::Rabbitmq,
        "nats" | "nats-py" | "async-nats" | "nats.net" | "@nats-io/transport-node" | "github.com/nats-io/nats.go" => {
            Need::Nats
        }
        "meilisearch" | "meilisearch-sdk" | "meilisearch/meilisearch-php" | "github.com/meilisearch/meilisearch-go" => {
            Need::Meilisearch
        }
        "minio" | "github.com/minio/minio-go" => Need::Minio,
        _ => return None,
    })
}

/// The variables that an example of a `.env` file names.
pub fn variables(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let names =
        lines.filter_map(|line| line.trim_start_matches("export ").split_once('=').map(|(name, _)| name.trim()));
    names.filter(|name| name.parse::<boathouse_types::EnvKey>().is_ok()).map(str::to_owned).collect()
}

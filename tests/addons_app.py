# An app that writes to and reads from its server on each request, over a connection of its own, with the real client
# (NATS, whose Debian has none for Python: by the protocol's own words).
import os, signal, sys, threading, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

kind = os.environ["KIND"]


def postgres(user, password):
    import psycopg2
    name = os.environ["POSTGRES_DB"]
    one = psycopg2.connect(host=os.environ["POSTGRES_HOST"], port=os.environ["POSTGRES_PORT"], user=user, password=password, dbname=name, connect_timeout=5)
    with one, one.cursor() as cursor:
        cursor.execute("create table if not exists seen (word text)")
        word = uuid.uuid4().hex
        cursor.execute("insert into seen values (%s)", (word,))
        cursor.execute("select count(*), count(*) filter (where word = %s) from seen", (word,))
        total, mine = cursor.fetchone()
        assert mine == 1
    one.close()
    return total


def mariadb(user, password):
    import pymysql
    one = pymysql.connect(host=os.environ["MARIADB_HOST"], port=int(os.environ["MARIADB_PORT"]), user=user, password=password, database=os.environ["MARIADB_DATABASE"], connect_timeout=5)
    with one, one.cursor() as cursor:
        cursor.execute("create table if not exists seen (word varchar(40))")
        word = uuid.uuid4().hex
        cursor.execute("insert into seen values (%s)", (word,))
        cursor.execute("select count(*), sum(word = %s) from seen", (word,))
        total, mine = cursor.fetchone()
        assert mine == 1
        one.commit()
    return total


def redis(user, password):
    return incremented("REDIS", password)


def valkey(user, password):
    return incremented("VALKEY", password)


def incremented(prefix, password):
    import redis
    host, port = os.environ[prefix + "_HOST"], int(os.environ[prefix + "_PORT"])
    one = redis.Redis(host=host, port=port, password=password, socket_connect_timeout=5)
    word = uuid.uuid4().hex
    one.set("word:" + word, word)
    assert one.get("word:" + word).decode() == word
    return one.incr("seen")


def rabbitmq(user, password):
    import pika
    where = pika.ConnectionParameters(os.environ["RABBITMQ_HOST"], int(os.environ["RABBITMQ_PORT"]), credentials=pika.PlainCredentials(user, password))
    with pika.BlockingConnection(where) as one:
        channel = one.channel()
        mine = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", mine, b"word")
        for _, _, body in channel.consume(mine, inactivity_timeout=5, auto_ack=True):
            assert body == b"word"
            break
        channel.cancel()
        kept = channel.queue_declare("kept", durable=True)
        channel.basic_publish("", "kept", b"word", pika.BasicProperties(delivery_mode=2))
        return kept.method.message_count + 1


def nats(user, password):
    # A reload of the server ends connections that have not said yet who they are: NATS's own clients then connect again.
    for _ in range(3):
        try:
            return nats_once(user, password)
        except ConnectionError as refused:
            error = refused
    raise error


def nats_once(user, password):
    import json, socket
    with socket.create_connection((os.environ["NATS_HOST"], int(os.environ["NATS_PORT"])), 5) as one:
        lines = one.makefile("rb")
        def line():
            # The server asks at moments of its own whether its client is alive.
            while (said := lines.readline()) == b"PING\r\n":
                one.sendall(b"PONG\r\n")
            return said
        hello = {"verbose": False, "user": user, "pass": password, "lang": "test", "version": "1"}
        greeting = lines.readline()
        one.sendall(b"CONNECT " + json.dumps(hello).encode() + b"\r\nPING\r\n")
        answer = line()
        if answer != b"PONG\r\n":
            raise ConnectionError(greeting, answer)
        one.sendall(b"SUB words 1\r\nPUB words 4\r\nword\r\n")
        assert line() == b"MSG words 1 4\r\n" and lines.readline() == b"word\r\n"
        # A stream that is kept: JetStream's own interface, by request and reply.
        def ask(subject, body):
            one.sendall(b"SUB answer 2\r\nPUB %s answer %d\r\n%s\r\n" % (subject.encode(), len(body), body))
            size = int(line().split()[-1])
            answer = json.loads(lines.read(size))
            lines.read(2)
            return answer
        ask("$JS.API.STREAM.CREATE.KEPT", json.dumps({"name": "KEPT", "subjects": ["kept"], "storage": "file"}).encode())
        return ask("kept", b"word")["seq"]


keys = {
    "postgres": ("POSTGRES_USER", "POSTGRES_PASSWORD"),
    "mariadb": ("MARIADB_USER", "MARIADB_PASSWORD"),
    "redis": ("REDIS_HOST", "REDIS_PASSWORD"),
    "valkey": ("VALKEY_HOST", "VALKEY_PASSWORD"),
    "rabbitmq": ("RABBITMQ_DEFAULT_USER", "RABBITMQ_DEFAULT_PASS"),
    "nats": ("NATS_USER", "NATS_PASSWORD"),
}
use = globals()[kind]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, "ok")
        try:
            status, text = 200, str(use(*(os.environ[key] for key in keys[kind])))
        except Exception as error:
            status, text = 500, repr(error)
        self.answer(status, text)

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


if len(sys.argv) > 1:
    # As somebody else would: app.py USER, with the password in the environment.
    print(use(sys.argv[1], os.environ["TRY_PASSWORD"]))
else:
    server = ThreadingHTTPServer(("0.0.0.0", 8080), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()

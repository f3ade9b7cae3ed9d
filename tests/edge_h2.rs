//! HTTP/2 by hand: how answers come, and what becomes of frames that attack.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Duration;

use boathouse::edge::{Limits, Upstream};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;

use crate::edge_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, connect,
    connect_over, frame, get, get_path, read_frame,
};
use crate::edge_support::{PATIENCE, TestEdge, backend, echo_head, edge_for, table, text};

const ENHANCE_YOUR_CALM: u8 = 11;

/// An index into the dynamic table's newest entry, made by a literal with indexing: one byte each from then on.
fn crumb_bomb(count: usize) -> Vec<u8> {
    let mut block = get();
    block.extend([0x60, 3]);
    block.extend(b"a=b");
    block.extend(std::iter::repeat_n(0xbe, count));
    block
}

/// The nth frames of a flood.
type Flood<'a> = &'a (dyn Fn(u32) -> Vec<u8> + Sync);

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_their_own_connection_only() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    let rapid_reset = |n: u32| {
        let stream = 2 * n + 1;
        let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        [frame(HEADERS, END_STREAM | END_HEADERS, stream, &get()), reset].concat()
    };
    let endless_head = |n: u32| {
        let block = [&[0x00, 1, b'x', 100][..], &[b'y'; 100]].concat();
        if n == 0 { frame(HEADERS, END_STREAM, 1, &get()) } else { frame(CONTINUATION, 0, 1, &block) }
    };
    let empty_data = |n: u32| {
        if n == 0 { frame(HEADERS, END_HEADERS, 1, &get()) } else { frame(DATA, 0, 1, &[]) }
    };
    // Each asks for a window too large, which makes the edge reset the stream (CVE-2025-8671).
    let made_you_reset = |n: u32| {
        let stream = 2 * n + 1;
        let update = frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes());
        [frame(HEADERS, END_HEADERS, stream, &get()), update].concat()
    };
    let floods: [(&str, Flood<'_>); 4] = [
        ("H2-01 rapid reset", &rapid_reset),
        ("H2-02 made you reset", &made_you_reset),
        ("H2-03 endless head", &endless_head),
        ("H2-06 empty data", &empty_data),
    ];
    for (name, make) in floods {
        let (mut read, mut write) = tokio::io::split(connect(&edge, &[]).await);
        let flood = async {
            for n in 0..200_000_u32 {
                if write.write_all(&make(n)).await.is_err() {
                    return true;
                }
            }
            false
        };
        let goaways = async {
            let (mut said, mut count) = (Vec::new(), 0);
            while let Some(frame) = read_frame(&mut read).await {
                count += 1;
                if frame.kind == GOAWAY {
                    said.push(frame.payload[7]);
                }
            }
            (said, count)
        };
        let (cut, answers) = tokio::join!(flood, tokio::time::timeout(PATIENCE, goaways));
        let (said, count) = answers.unwrap_or_else(|_| panic!("{name}: the edge did not end it"));
        assert!(cut || !said.is_empty(), "{name}: {count} frames came back");
        assert!(said.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{name}: {said:?}");
        let client = edge.client(|builder| builder.resolve("app.test", edge.https()));
        let url = format!("https://app.test:{}/", edge.https().port());
        assert_eq!(client.get(url).send().await.unwrap().status(), 200, "{name}: the others");
    }
}

/// H2-04: many fields from few bytes.
#[tokio::test]
async fn a_head_of_one_byte_fields_is_refused() {
    let app = echo_head().await;
    let edge = edge_for(&app);
    for (count, status) in [(50, "200"), (150, "431"), (6000, "431 or a reset")] {
        let mut stream = connect(&edge, &[]).await;
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &crumb_bomb(count))).await.unwrap();
        let answer = loop {
            let Some(frame) = read_frame(&mut stream).await else { break (GOAWAY, Vec::new()) };
            if matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY) {
                break (frame.kind, frame.payload);
            }
            assert_ne!(frame.kind, PING, "not idle for so long");
        };
        match status {
            // 0x88 is the static table's `:status 200`; 431 is a literal after index 8.
            "200" => assert_eq!((answer.0, answer.1[0]), (HEADERS, 0x88)),
            "431" => assert!(answer.0 == HEADERS && answer.1[0] != 0x88, "{answer:?}"),
            _ => assert!(answer.0 != HEADERS || answer.1[0] != 0x88, "{answer:?}"),
        }
    }
}

/// A client's TCP stream that counts the TLS records it is sent.
struct Records {
    stream: TcpStream,
    count: Arc<AtomicUsize>,
    /// Of the present record: bytes of its head so far, and what is left of the rest.
    head: Vec<u8>,
    left: usize,
}

impl AsyncRead for Records {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        for byte in &buf.filled()[before..] {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.head.push(*byte);
            if let [_, _, _, high, low] = self.head[..] {
                self.left = usize::from(high) << 8 | usize::from(low);
                self.head.clear();
                self.count.fetch_add(1, SeqCst);
            }
        }
        result
    }
}

impl AsyncWrite for Records {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Each record is a system call and an encryption: what is ready together goes together.
#[tokio::test]
async fn answers_that_are_ready_together_share_records() {
    const REQUESTS: u32 = 30;
    let app = echo_head().await;
    let edge = edge_for(&app);
    let (stream, count) = (TcpStream::connect(edge.https()).await.unwrap(), Arc::<AtomicUsize>::default());
    let records = Records { stream, count: Arc::clone(&count), head: Vec::new(), left: 0 };
    let mut stream = connect_over(records, &[]).await;
    let before = count.load(SeqCst);
    // A page of some hundred bytes, for which no application is asked.
    let block = [&[0x82, 0x87, 0x84, 0x41, 9], &b"none.test"[..], &[0x53, 9], b"text/html"].concat();
    let all = (0..REQUESTS).flat_map(|n| frame(HEADERS, END_STREAM | END_HEADERS, 2 * n + 1, &block));
    stream.write_all(&all.collect::<Vec<_>>()).await.unwrap();
    let mut ended = 0;
    while ended < REQUESTS {
        let frame = read_frame(&mut stream).await.expect("an answer");
        ended += u32::from(frame.kind == DATA && frame.flags & END_STREAM != 0);
    }
    let records = count.load(SeqCst) - before;
    assert!(records < REQUESTS as usize / 2, "{records} records for {REQUESTS} answers");
}

/// A response that its client does not take, beside one that flows.
#[tokio::test]
async fn a_stalled_response_does_not_hide_behind_a_busy_one() {
    const BUSY: u32 = 3;
    let app = backend(|request: http::Request<hyper::body::Incoming>| async move {
        if request.uri().path() != "/ticks" {
            return text("nobody reads this");
        }
        let pace = tokio::time::interval(Duration::from_millis(5));
        let ticks = futures_util::stream::unfold(pace, |mut pace| async move {
            pace.tick().await;
            Some((Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"tick"))), pace))
        });
        http::Response::new(StreamBody::new(ticks).boxed())
    })
    .await;
    let limits =
        Limits { write_stall: Duration::from_millis(50), first_byte: Duration::from_secs(1), ..Limits::default() };
    let edge = TestEdge::start(table(&[Upstream::tcp(app.address)]), limits);
    for stalled in [false, true] {
        // No stream may send anything (SETTINGS_INITIAL_WINDOW_SIZE); then one is given all it can want.
        let mut stream = connect(&edge, &[(4, 0)]).await;
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, BUSY, &get_path("/ticks"))).await.unwrap();
        for id in [0, BUSY] {
            stream.write_all(&frame(WINDOW_UPDATE, 0, id, &(1_u32 << 30).to_be_bytes())).await.unwrap();
        }
        if stalled {
            stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, BUSY + 2, &get())).await.unwrap();
        }
        let mut ticks = 0;
        let all = async {
            while let Some(frame) = read_frame(&mut stream).await {
                assert!(frame.kind != DATA || frame.stream == BUSY, "it may not send");
                ticks += usize::from(frame.kind == DATA);
                if !stalled && ticks > 500 {
                    return true;
                }
            }
            false
        };
        let outlived = tokio::time::timeout(PATIENCE, all).await;
        let outlived = outlived.unwrap_or_else(|_| panic!("stalled: {stalled}; still there after {ticks} ticks"));
        assert_eq!(outlived, !stalled, "after {ticks} ticks");
        assert!(ticks > 0, "the busy one was busy");
    }
}

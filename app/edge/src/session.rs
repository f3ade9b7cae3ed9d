//! A client's TLS session: the handshake, and the byte stream after it.
//!
//! tokio-rustls sends the tickets of TLS 1.3 the moment the client has finished its side: a packet and a system call of
//! their own on each connection, lost on every client that is gone by then. Here they wait for the first bytes that the
//! connection has to say and travel with them. Who says nothing needs no ticket.

use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::{AcceptedAlert, Acceptor, ClientHello};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// The byte stream of a client with whom hands were shaken.
#[derive(Debug)]
pub struct Session<T> {
    io: T,
    tls: ServerConnection,
    /// There are tickets, and nothing yet that they could travel with.
    held: bool,
    /// The end was announced.
    ended: bool,
    /// The client is gone, and nobody hears us any more.
    lost: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Session<T> {
    /// Shakes hands with the configuration that suits what the client said first.
    pub async fn accept(
        mut io: T,
        choose: impl FnOnce(&ClientHello<'_>) -> Arc<ServerConfig>,
    ) -> io::Result<Session<T>> {
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            if poll_fn(|cx| pending(acceptor.read_tls(&mut Reading { io: &mut io, cx }))).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, alert)) => return Err(refuse(io, error, alert).await),
            }
        };
        let config = choose(&accepted.client_hello());
        let tls = match accepted.into_connection(config) {
            Ok(tls) => tls,
            Err((error, alert)) => return Err(refuse(io, error, alert).await),
        };
        let mut session = Self { io, tls, held: false, ended: false, lost: false };
        poll_fn(|cx| session.poll_handshake(cx)).await?;
        Ok(session)
    }

    /// What was agreed on.
    pub fn agreed(&self) -> &ServerConnection {
        &self.tls
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.is_handshaking() {
            ready!(self.poll_send(cx))?;
            if ready!(self.poll_receive(cx))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        // The last word of TLS 1.3 is the client's, so that what waits here can be nothing but tickets.
        self.held = self.tls.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if self.held { Poll::Ready(Ok(())) } else { self.poll_send(cx) }
    }

    /// Takes from the client what there is; 0 at its end.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let received = ready!(pending(self.tls.read_tls(&mut Reading { io: &mut self.io, cx })));
        // At its end a client may still listen, but not if it heard nothing so far: then it has asked for nothing.
        self.lost = received.as_ref().map_or(true, |count| *count == 0 && self.held);
        let count = received?;
        if let Err(error) = self.tls.process_new_packets() {
            // An alert says what was wrong. Whether it arrives changes nothing.
            let _sent = self.poll_send(cx);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
        }
        Poll::Ready(Ok(count))
    }

    /// Gives the client everything that waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            if ready!(pending(self.tls.write_tls(&mut Writing { io: &mut self.io, cx })))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what `write` says, and sends as much as goes.
    fn poll_say(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.held = false;
        loop {
            let count = write(&mut self.tls.writer())?;
            return match (self.poll_send(cx), count) {
                (Poll::Ready(Err(error)), _) => Poll::Ready(Err(error)),
                // It was full and is not any more.
                (Poll::Ready(Ok(())), 0) => continue,
                (Poll::Pending, 0) => Poll::Pending,
                (_, count) => Poll::Ready(Ok(count)),
            };
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Session<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match this.tls.reader().into_first_chunk() {
                Ok(bytes) => {
                    let count = bytes.len().min(buf.remaining());
                    buf.put_slice(&bytes[..count]);
                    io::BufRead::consume(&mut this.tls.reader(), count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It went without announcing that: what it said last may not be all.
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(this.poll_receive(cx))?;
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Session<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().poll_say(cx, |writer| writer.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes.iter().all(|slice| slice.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.get_mut().poll_say(cx, |writer| writer.write_vectored(bytes))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.held {
            ready!(this.poll_send(cx))?;
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lost {
            return Poll::Ready(Ok(()));
        }
        if !std::mem::replace(&mut this.ended, true) {
            this.tls.send_close_notify();
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.io).poll_shutdown(cx)) {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Tells a client why there will be no handshake, and returns that.
async fn refuse(mut io: impl AsyncWrite + Unpin, error: rustls::Error, mut alert: AcceptedAlert) -> io::Error {
    let mut bytes = Vec::new();
    if alert.write_all(&mut bytes).is_ok() {
        // Whether it arrives changes nothing.
        io.write_all(&bytes).await.ok();
    }
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// What rustls reads from.
struct Reading<'a, 'b, T> {
    io: &'a mut T,
    cx: &'a mut Context<'b>,
}

impl<T: AsyncRead + Unpin> Read for Reading<'_, '_, T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut bytes = ReadBuf::new(bytes);
        blocking(Pin::new(&mut *self.io).poll_read(self.cx, &mut bytes))?;
        Ok(bytes.filled().len())
    }
}

/// What rustls writes to.
struct Writing<'a, 'b, T> {
    io: &'a mut T,
    cx: &'a mut Context<'b>,
}

impl<T: AsyncWrite + Unpin> Write for Writing<'_, '_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.io).poll_write_vectored(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(Pin::new(&mut *self.io).poll_flush(self.cx))
    }
}

/// As rustls knows it: what is not there yet is an error.
fn blocking<R>(result: Poll<io::Result<R>>) -> io::Result<R> {
    match result {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// As tokio knows it: what is not there yet is pending.
fn pending<R>(result: io::Result<R>) -> Poll<io::Result<R>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
    use rustls::{ClientConfig, HandshakeKind, SupportedProtocolVersion, version};
    use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::tls;

    const ROOM: usize = 64 * 1024;
    const BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

    type Client = tokio_rustls::client::TlsStream<DuplexStream>;

    struct Peers {
        server: Arc<ServerConfig>,
        client: Arc<ClientConfig>,
    }

    impl Peers {
        /// A server that speaks `groups`, and a client of `versions` that believes it.
        fn new(groups: &[&'static dyn SupportedKxGroup], versions: &[&'static SupportedProtocolVersion]) -> Self {
            let identity = tls::self_signed().unwrap();
            let provider = CryptoProvider { kx_groups: groups.to_vec(), ..aws_lc_rs::default_provider() };
            let mut server = ServerConfig::builder_with_provider(provider.into())
                .with_protocol_versions(&BOTH)
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(&identity))));
            server.ticketer = aws_lc_rs::Ticketer::new().unwrap();
            let mut roots = rustls::RootCertStore::empty();
            roots.add(identity.cert[0].clone()).unwrap();
            let client = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
                .with_protocol_versions(versions)
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            Self { server: Arc::new(server), client: Arc::new(client) }
        }

        fn usual(versions: &[&'static SupportedProtocolVersion]) -> Self {
            Self::new(aws_lc_rs::DEFAULT_KX_GROUPS, versions)
        }

        async fn shake(&self, room: usize) -> (Client, Session<DuplexStream>) {
            let (near, far) = duplex(room);
            let connector = TlsConnector::from(Arc::clone(&self.client));
            let connect = connector.connect("unknown.invalid".try_into().unwrap(), near);
            let (client, server) = tokio::join!(connect, Session::accept(far, |_| Arc::clone(&self.server)));
            (client.unwrap(), server.unwrap())
        }
    }

    /// Whether anything is there to read, without waiting for it.
    async fn arrived(io: &mut DuplexStream) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        poll_fn(|cx| Poll::Ready(Pin::new(&mut *io).poll_read(cx, &mut byte).is_ready())).await
    }

    #[tokio::test]
    async fn tickets_wait_for_the_first_words_and_are_good_for_the_next_handshake() {
        let peers = Peers::usual(&BOTH);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut near, mut far) = peers.shake(ROOM).await;
            assert_eq!(far.agreed().handshake_kind(), Some(expected));
            far.flush().await.unwrap();
            assert!(!arrived(near.get_mut().0).await, "the server has nothing to say yet");
            far.write_all(b"hello").await.unwrap();
            let mut words = [0; 5];
            near.read_exact(&mut words).await.unwrap();
            assert_eq!(&words, b"hello");
        }
    }

    #[tokio::test]
    async fn older_handshakes_end_at_once_and_resume() {
        let peers = Peers::usual(&[&version::TLS12]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (_near, far) = peers.shake(ROOM).await;
            assert_eq!(far.agreed().handshake_kind(), Some(expected));
        }
    }

    #[tokio::test]
    async fn a_client_that_guessed_another_group_is_asked_again() {
        let (_near, far) = Peers::new(&[aws_lc_rs::kx_group::SECP384R1], &BOTH).shake(ROOM).await;
        assert_eq!(far.agreed().handshake_kind(), Some(HandshakeKind::FullWithHelloRetryRequest));
    }

    #[tokio::test]
    async fn who_does_not_speak_tls_is_told_so() {
        let server = Peers::usual(&BOTH).server;
        let (mut near, far) = duplex(ROOM);
        near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let error = Session::accept(far, |_| Arc::clone(&server)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        let mut told = Vec::new();
        near.read_to_end(&mut told).await.unwrap();
        assert_eq!((told.first(), told.len()), (Some(&21), 7), "one alert: {told:?}");
    }

    #[tokio::test]
    async fn much_goes_both_ways_through_little_room() {
        let (near, far) = Peers::usual(&BOTH).shake(1000).await;
        let sent: Vec<u8> = (0..1024 * 1024).map(|n| (n % 251) as u8).collect();
        let (mut near_read, mut near_write) = tokio::io::split(near);
        let (mut far_read, mut far_write) = tokio::io::split(far);
        let say = async |write: &mut (dyn AsyncWrite + Unpin + Send)| {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let (mut there, mut here) = (Vec::new(), Vec::new());
        let story = async {
            tokio::join!(
                say(&mut near_write),
                say(&mut far_write),
                async { far_read.read_to_end(&mut there).await.unwrap() },
                async { near_read.read_to_end(&mut here).await.unwrap() },
            )
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), story).await.expect("no side waits for ever");
        assert!(there == sent && here == sent);
    }

    #[tokio::test]
    async fn an_end_is_polite_or_an_error_and_nobody_is_told_more_after_it() {
        for (polite, heard) in [(true, false), (false, false), (false, true)] {
            let (mut near, mut far) = Peers::usual(&BOTH).shake(ROOM).await;
            if heard {
                far.write_all(b"hello").await.unwrap();
            }
            let (mut near_io, near_tls) = if polite {
                near.shutdown().await.unwrap();
                near.into_inner()
            } else {
                let (mut io, tls) = near.into_inner();
                io.shutdown().await.unwrap();
                (io, tls)
            };
            drop(near_tls);
            let end = far.read(&mut [0; 8]).await.map_err(|error| error.kind());
            assert_eq!(end, if polite { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof) });
            far.shutdown().await.unwrap();
            drop(far);
            let mut rest = Vec::new();
            near_io.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest.is_empty(), !polite && !heard, "polite: {polite}, heard: {heard}");
        }
    }
}

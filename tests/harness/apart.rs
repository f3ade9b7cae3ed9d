//! A network of its own for a browser. Chromium drops its connections whenever an interface of its network comes or goes, and those
//! of containers do so all the time. Its network has a loopback interface and one that leads nowhere (for without one it would
//! call itself offline); ports of the tests' own network are lent to it one by one.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// What the first process of the network does before it becomes the program that it was started for. Without IPv6 addresses of its own
/// making: the kernel looks for a moment whether anybody else has them, and that they are there then is a change.
const INTERFACES: &str = "ip link set lo up && ip link add near type veth peer name far && \
    ip link set far addrgenmode none && ip link set near addrgenmode none && ip link set far up && ip link set near up && ip address add 192.0.2.1/24 dev near && exec \"$0\" \"$@\"";

/// The network that a process was started in. It ends with the last process in it.
pub struct Apart(File);

impl Apart {
    /// The command that starts this program in a new network. Only root may make one.
    pub fn command(program: &str) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", INTERFACES, program]);
        command
    }

    /// The network of a process from [`Apart::command`] that has said its first word.
    pub fn of(process: &Child) -> Self {
        Self(File::open(format!("/proc/{}/ns/net", process.id())).unwrap())
    }

    /// Who connects to this address within reaches the same address outside.
    pub fn lend(&self, address: SocketAddr) {
        let within = self.within(|| TcpListener::bind(address)).unwrap();
        within.set_nonblocking(true).unwrap();
        let within = tokio::net::TcpListener::from_std(within).unwrap();
        tokio::spawn(async move {
            while let Ok((near, _)) = within.accept().await {
                tokio::spawn(async move { join(near, tokio::net::TcpStream::connect(address).await?).await });
            }
        });
    }

    /// An address outside that leads to this port within.
    pub fn borrow(&self, port: u16) -> SocketAddr {
        let outside = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        outside.set_nonblocking(true).unwrap();
        let (address, outside) = (outside.local_addr().unwrap(), tokio::net::TcpListener::from_std(outside).unwrap());
        let network = Self(self.0.try_clone().unwrap());
        tokio::spawn(async move {
            while let Ok((near, _)) = outside.accept().await {
                let far = network.within(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
                tokio::spawn(async move {
                    let far = far?;
                    far.set_nonblocking(true)?;
                    join(near, tokio::net::TcpStream::from_std(far)?).await
                });
            }
        });
        address
    }

    /// A socket stays in the network that its thread was in.
    fn within<T: Send>(&self, make: impl FnOnce() -> T + Send) -> T {
        let entered = || {
            move_into_link_name_space(rustix::fd::AsFd::as_fd(&self.0), Some(LinkNameSpaceType::Network)).unwrap();
            make()
        };
        thread::scope(|scope| scope.spawn(entered).join().unwrap())
    }
}

async fn join(mut near: tokio::net::TcpStream, mut far: tokio::net::TcpStream) -> io::Result<()> {
    tokio::io::copy_bidirectional(&mut near, &mut far).await.map(|_| ())
}

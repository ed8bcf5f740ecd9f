//! The socket under a connection, which Diesel and libpq keep to themselves: to see whether the server has closed it
//! before anything is sent, and to give it up when nothing comes back.

#![allow(unsafe_code, reason = "a descriptor that a C library opened can only be borrowed by its number")]

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::net::{Shutdown, shutdown};
use std::collections::HashSet;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd, RawFd};

/// Another name for the socket of a connection.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// The sockets that this process has open.
fn open() -> HashSet<RawFd> {
    let Ok(folder) = std::fs::read_dir("/dev/fd") else { return HashSet::new() };
    let numbers: Vec<RawFd> = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // What the folder itself was read through is closed by now, and its number is free for the next socket.
    numbers.into_iter().filter(|number| named(*number).is_some()).collect()
}

/// Another name for a descriptor, if it is a socket.
fn named(number: RawFd) -> Option<Socket> {
    // SAFETY: the number was open a moment ago. Should another thread have closed it since, it is either no descriptor,
    // which fails, or one that is only looked at and copied.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let is_socket = fstat(borrowed).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Socket);
    if is_socket { borrowed.try_clone_to_owned().ok().map(Socket) } else { None }
}

impl Socket {
    /// Does something that opens a connection; gives its socket, where it is the only one that was opened meanwhile.
    pub fn opened_by<T>(work: impl FnOnce() -> T) -> (T, Option<Self>) {
        let before = open();
        let done = work();
        let mut found = open().into_iter().filter(|number| !before.contains(number)).filter_map(named);
        let socket = found.next();
        // More than one: which of them cannot be told.
        let only = if found.next().is_some() { None } else { socket };
        (done, only)
    }

    /// Whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
        let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
        let closed = PollFlags::HUP | PollFlags::ERR;
        let mut asked = [PollFd::from_borrowed_fd(self.0.as_fd(), closed)];
        poll(&mut asked, Some(&Timespec::default())).is_ok() && asked[0].revents().intersects(closed)
    }

    /// Gives the connection up: whoever waits for an answer on it gets an error now.
    pub fn shut(&self) {
        // One that is closed already is what was wanted.
        let _ = shutdown(&self.0, Shutdown::Both);
    }
}

#[cfg(test)]
mod tests {
    use super::Socket;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_socket_is_found_watched_and_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Other tests open sockets at the same time; then there is none to be had.
        let (mut stream, socket) = (0..100)
            .find_map(|_| {
                let (stream, socket) = Socket::opened_by(|| TcpStream::connect(address).unwrap());
                socket.map(|socket| (stream, socket))
            })
            .unwrap();
        let (other, _) = loop {
            let (other, from) = listener.accept().unwrap();
            if from == stream.local_addr().unwrap() {
                break (other, from);
            }
        };
        assert!(!socket.is_closed());
        drop(other);
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(socket.is_closed());
        socket.shut();
        assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    }
}

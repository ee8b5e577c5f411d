//! What the client says and what it must hear.

use crate::Result;

#[derive(Clone, Copy, Debug)]
pub enum Protocol {
    /// So many bytes there and back.
    Echo(usize),
    /// `GET /`, answered with [`BODY`].
    Http,
}

/// What the HTTP servers answer.
pub const BODY: &[u8] = b"Hello, World!";

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

impl Protocol {
    /// The n-th request, in place of what `request` holds.
    pub fn request(self, n: u64, request: &mut Vec<u8>) {
        match self {
            Protocol::Echo(size) => {
                // The number makes an answer to an earlier request a wrong one.
                request.resize(size, b'.');
                request[..8].copy_from_slice(&n.to_ne_bytes());
            }
            Protocol::Http => {
                if request.is_empty() {
                    request.extend_from_slice(GET);
                }
            }
        }
    }

    /// Whether what has arrived is the whole answer to the request.
    pub fn answered(self, request: &[u8], answer: &[u8]) -> Result<bool> {
        match self {
            Protocol::Echo(size) if answer.len() < size => Ok(false),
            Protocol::Echo(_) if answer == request => Ok(true),
            Protocol::Echo(_) => Err("the echo is not what was sent".into()),
            Protocol::Http => {
                let Some(head) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                    return Ok(false);
                };
                let body = &answer[head + 4..];
                if body.len() < BODY.len() {
                    return Ok(false);
                }
                match answer.starts_with(OK) && body == BODY {
                    true => Ok(true),
                    false => Err("the answer is not the page".into()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_whole_and_the_same() {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let protocol = Protocol::Echo(64);
        protocol.request(1, &mut first);
        protocol.request(2, &mut second);
        assert!(!protocol.answered(&first, &first[..63]).unwrap());
        assert!(protocol.answered(&first, &first).unwrap());
        assert!(protocol.answered(&second, &first).is_err());
    }

    #[test]
    fn a_page_has_its_status_and_its_body() {
        let page = b"HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nHello, World!";
        let error = b"HTTP/1.1 500 Oh\r\ncontent-length: 13\r\n\r\nHello, World!";
        assert!(Protocol::Http.answered(GET, page).unwrap());
        assert!(!Protocol::Http.answered(GET, &page[..page.len() - 1]).unwrap());
        assert!(Protocol::Http.answered(GET, error).is_err());
    }
}

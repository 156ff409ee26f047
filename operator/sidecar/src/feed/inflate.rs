//! A body that comes as gzip members, one for each line: decompressed piece by piece, as it comes.

use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use super::lines::{Lines, TooLong};

/// So much is decompressed before the length of a line is looked at: gzip makes at most a thousand times as much of it.
const STEP: usize = 4096;

/// Why a body cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("failed to decompress the stream: {0}")]
    Gzip(#[from] std::io::Error),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// Lines out of a body in either form.
pub(super) struct Inflate {
    lines: Lines,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
}

impl Inflate {
    /// `limit` is the length of the longest line.
    pub(super) fn new(limit: usize, gzip: bool) -> Self {
        Self { lines: Lines::new(limit), gzip: gzip.then(|| MultiGzDecoder::new(Vec::new())) }
    }

    /// Takes a piece, and gives each line that it ends to `each`.
    pub(super) fn push(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), Unreadable> {
        for step in piece.chunks(STEP) {
            match &mut self.gzip {
                None => self.lines.push(step),
                Some(gzip) => {
                    gzip.write_all(step)?;
                    gzip.flush()?;
                    self.lines.push(gzip.get_ref());
                    gzip.get_mut().clear();
                }
            }
            while let Some(line) = self.lines.next()? {
                each(&line);
            }
        }
        if let Some(gzip) = &mut self.gzip {
            // What a large document took is not kept for heartbeats.
            gzip.get_mut().shrink_to(STEP);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn member(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out when pieces have this length.
    fn lines(body: &[u8], gzip: bool, length: usize, limit: usize) -> Result<Vec<String>, Unreadable> {
        let (mut inflate, mut found) = (Inflate::new(limit, gzip), Vec::new());
        for piece in body.chunks(length) {
            inflate.push(piece, |line| found.push(String::from_utf8(line.to_vec()).unwrap()))?;
        }
        Ok(found)
    }

    #[test]
    fn a_line_is_there_with_the_last_byte_of_its_member_however_the_body_is_cut() {
        let long = "x".repeat(50_000);
        let body = [member("1\n"), member("\n"), member(&format!("{long}\n"))].concat();
        for length in [1, 7, 4096, body.len()] {
            assert_eq!(lines(&body, true, length, 100_000).unwrap(), ["1", "", long.as_str()]);
        }
        assert_eq!(lines(b"1\n\n2\n", false, 2, 100).unwrap(), ["1", "", "2"]);
    }

    #[test]
    fn a_small_body_does_not_become_a_line_without_an_end() {
        let bomb = member(&"x".repeat(20_000_000));
        assert!(bomb.len() < 100_000);
        assert!(matches!(lines(&bomb, true, bomb.len(), 1_000_000), Err(Unreadable::TooLong(_))));
    }

    #[test]
    fn what_is_no_gzip_is_refused() {
        assert!(matches!(lines("{}\n".repeat(20).as_bytes(), true, 100, 100), Err(Unreadable::Gzip(_))));
    }
}

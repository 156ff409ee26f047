//! Messages and their parts: how many, and which of them are images.

use super::ShapeError;
use super::scanner::Scanner;

/// What the messages hold.
#[derive(Default)]
pub(super) struct Content {
    /// Bytes that count as input text, blobs included.
    pub(super) counted: usize,
    /// Bytes of images and files among them.
    pub(super) blobs: usize,
    pub(super) images: u32,
}

impl Content {
    /// Reads the list of messages and gives their number.
    pub(super) fn messages(&mut self, scanner: &mut Scanner<'_>) -> Result<usize, ShapeError> {
        if !scanner.at(b'[') {
            let offset = scanner.offset();
            return Err(ShapeError::WrongType { member: "messages", offset, expected: "a list" });
        }
        let mut items = scanner.list()?;
        let mut count = 0;
        while scanner.item(&mut items)? {
            count += 1;
            if scanner.at(b'{') {
                self.message(scanner)?;
            } else {
                scanner.skip()?;
            }
        }
        Ok(count)
    }

    fn message(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ShapeError> {
        let mut members = scanner.object()?;
        while let Some(name) = scanner.member(&mut members)? {
            match name.as_ref() {
                "content" | "parts" => self.message_content(scanner)?,
                // Ollama's images: a list of Base64 texts.
                "images" => {
                    let start = scanner.offset();
                    let count = scanner.count_items()?;
                    self.images = self.images.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
                    self.blobs += scanner.offset() - start;
                }
                _ => scanner.skip()?,
            }
        }
        Ok(())
    }

    /// Reads a content: a text, a list of parts, or an object with `parts`.
    pub(super) fn message_content(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ShapeError> {
        if scanner.at(b'{') {
            return self.part(scanner);
        }
        if !scanner.at(b'[') {
            return scanner.skip();
        }
        let mut items = scanner.list()?;
        while scanner.item(&mut items)? {
            if scanner.at(b'{') {
                self.part(scanner)?;
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// One part. Its type may stand behind its data, so the sum is taken at its end. The scanner's depth limit
    /// bounds the recursion into the content of tool results.
    fn part(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ShapeError> {
        let start = scanner.offset();
        let before = self.blobs;
        let (mut image, mut file) = (false, false);
        let mut members = scanner.object()?;
        while let Some(name) = scanner.member(&mut members)? {
            match name.as_ref() {
                "type" => match scanner.value()?.trim_matches('"') {
                    "image_url" | "image" | "input_image" => image = true,
                    "input_audio" | "file" | "document" | "input_file" | "video_url" => file = true,
                    _ => {}
                },
                "content" | "parts" => self.message_content(scanner)?,
                "inlineData" | "inline_data" | "fileData" | "file_data" => {
                    let value = scanner.value()?;
                    // Gemini tells images from other files by the media type alone.
                    image = value.contains("\"image/");
                    file = !image;
                }
                _ => scanner.skip()?,
            }
        }
        if image || file {
            self.blobs = before + (scanner.offset() - start);
        }
        self.images = self.images.saturating_add(u32::from(image));
        Ok(())
    }
}

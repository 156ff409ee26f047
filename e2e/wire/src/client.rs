//! Just enough HTTP to talk to the control API from a scratch image.

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends one request and returns the answer's body.
///
/// # Errors
/// When the server cannot be reached, does not speak HTTP, or answers anything but 2xx.
pub async fn send(server: &str, method: &str, path: &str, body: Option<&str>) -> anyhow::Result<String> {
    if !matches!(method, "GET" | "PUT" | "DELETE") {
        bail!("failed to send: the control API knows GET, PUT and DELETE, not {method}");
    }
    let body = body.unwrap_or_default();
    let mut stream = TcpStream::connect(server).await.with_context(|| format!("failed to reach {server}"))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {server}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.with_context(|| format!("failed to read from {server}"))?;
    read_answer(&answer).with_context(|| format!("failed: {method} http://{server}{path}"))
}

fn read_answer(answer: &str) -> anyhow::Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer is not HTTP")?;
    let status: u16 =
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has no status")?;
    if !(200..300).contains(&status) {
        bail!("{status} {}", body.trim());
    }
    Ok(body.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_an_error_with_the_servers_words() {
        let refused = read_answer("HTTP/1.1 400 Bad Request\r\na: b\r\n\r\n{\"error\":\"no\"}").unwrap_err();
        assert_eq!(refused.to_string(), "400 {\"error\":\"no\"}");
        assert_eq!(read_answer("HTTP/1.1 200 OK\r\n\r\nfine\n").unwrap(), "fine");
        assert!(read_answer("nonsense").is_err());
    }

    #[tokio::test]
    async fn only_the_three_methods_are_sent() {
        assert!(send("127.0.0.1:1", "POST", "/", None).await.unwrap_err().to_string().contains("not POST"));
    }
}

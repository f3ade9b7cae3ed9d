//! Archives as the CLI and people send them.

use flate2::Compression;
use flate2::write::GzEncoder;

/// A tar.gz of files given by path and content. A path that ends in `*` becomes executable (without the `*`).
pub fn tar_gz<P: AsRef<str>, C: AsRef<[u8]>>(files: &[(P, C)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let (path, mode) = match path.as_ref().strip_suffix('*') {
            Some(path) => (path, 0o755),
            None => (path.as_ref(), 0o644),
        };
        let mut header = tar::Header::new_gnu();
        header.set_size(content.as_ref().len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, path, content.as_ref()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

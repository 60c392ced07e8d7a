// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What lies in the shared directory while it is measured. Made on the host, not through a backend.

internal import Linux
internal import Wire

enum ShareFiles {
  static let bufferedFile = "buffered.bin"
  /// Written page by page, so that it is cached in single pages. ext4 of Linux 6.16 and newer caches what was written
  /// in large pieces in folios of up to megabytes, and for each small write to one it walks all buffer heads of it:
  /// that takes five times as long as the write and would be all that is measured of a backend.
  static let pagedFile = "paged.bin"
  /// Apart from the others: direct writes throw cached pages away.
  static let directFile = "direct.bin"
  private static let pageByteCount = 4096
  static let files = FileSet(directory: "files", prefix: "f", count: 1000)

  /// The file of a pattern.
  static func file(for pattern: DataPattern) -> String {
    if pattern.isDirect { return directFile }
    return pattern.byteCount <= pageByteCount ? pagedFile : bufferedFile
  }

  static func directory(of entries: Int) -> String { "many-\(entries)" }

  /// Fills a directory with what the works need.
  /// - Parameter byteCount: of each file for reads and writes.
  static func make(in folder: String, for works: [Work], byteCount: Int) throws(HumanError) {
    do throws(Errno) {
      var names: Set<String> = []
      var counts: Set<Int> = []
      for work in works {
        switch work.kind {
        case .data(let pattern): names.insert(file(for: pattern))
        case .list(let entries, _): counts.insert(entries)
        case .memory: counts.insert(ShareWorks.largeDirectory)
        default: break
        }
      }
      for name in names {
        try makeFile("\(folder)/\(name)", byteCount, piece: name == pagedFile ? pageByteCount : 1 << 20)
      }
      try fill("\(folder)/\(files.directory)", prefix: files.prefix, count: files.count, byteCount: 4096)
      for count in counts {
        try fill("\(folder)/\(directory(of: count))", prefix: "entry-", count: count, byteCount: 0)
      }
    } catch {
      throw .failure("cannot make the files to measure with in \(folder): \(error.message)")
    }
  }

  /// A file whose bytes no file system can leave out, on its disk.
  /// - Parameter piece: what one write(2) carries.
  static func makeFile(_ path: String, _ byteCount: Int, piece: Int = 1 << 20) throws(Errno) {
    try makeFiles([path], byteCount, piece: piece)
  }

  /// Files of the same bytes that lie among each other on their disk. Disks are not alike everywhere: of files that
  /// lie apart, one was seen to take twice as many random writes per second as another, whoever wrote.
  static func makeFiles(_ paths: [String], _ byteCount: Int, piece: Int = 1 << 20) throws(Errno) {
    var files: [MadeFile] = []
    for path in paths { files.append(try MadeFile(path)) }
    let block = Scratch(byteCount: piece)
    var dice = Dice(7)
    var offset = 0
    while offset < block.segment.count {
      block.segment.store(dice.below(.max), at: offset)
      offset += 8
    }
    let turn = 16
    for first in stride(from: 0, to: byteCount / piece, by: turn) {
      for file in files {
        for number in first..<min(first + turn, byteCount / piece) {
          block.segment.store(UInt64(number))
          var done = 0
          while done < block.segment.count { done += try file.file.write(block.segment.dropFirst(done)) }
        }
        // A file system decides where it lies when it is written back.
        if files.count > 1 { try file.file.sync(dataOnly: true) }
      }
    }
    for file in files { try file.file.sync(dataOnly: false) }
  }

  private static func fill(_ path: String, prefix: String, count: Int, byteCount: Int) throws(Errno) {
    try HostFiles.makeDirectory(path)
    let directory = try Path(path).open(flags: OpenFlags.readOnly | OpenFlags.directory)
    let scratch = Scratch(byteCount: 4096)
    let content = Scratch(byteCount: max(byteCount, 1))
    content.segment.zero()
    for index in 0..<count {
      let bytes = Array(FileSet.name(prefix, index).utf8)
      guard let name = CName.joining(bytes, CName(""), in: scratch.segment) else { throw .nameTooLong }
      let file = try directory.file.open(name, flags: OpenFlags.writeOnly | OpenFlags.create, mode: 0o644)
      if byteCount > 0 { _ = try file.file.write(content.segment.prefix(byteCount)) }
    }
  }
}

extension ShareFiles {
  /// Takes it all away again, from a directory that is not ours.
  static func remove(from folder: String) {
    for name in [bufferedFile, pagedFile, directFile] { try? HostFiles.remove("\(folder)/\(name)") }
    for name in [files.directory, directory(of: ShareWorks.smallDirectory), directory(of: ShareWorks.largeDirectory)] {
      HostFiles.removeTree("\(folder)/\(name)")
    }
  }
}

/// Arrays hold no descriptors themselves.
private final class MadeFile {
  let descriptor: FileDescriptor
  var file: File { descriptor.file }

  init(_ path: String) throws(Errno) {
    descriptor = try Path(path).open(
      flags: OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, mode: 0o644)
  }
}

// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import Foundation
import Linux

/// A directory of a test's own, gone with it.
final class ImageDirectory {
  let path: String

  init(in base: String = "/tmp") throws {
    path = "\(base)/mt-image-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
    try? FileManager.default.removeItem(atPath: path + ".tools")
  }

  var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }

  func file(_ name: String) -> Path { Path("\(path)/\(name)") }

  /// A shell script in a directory of its own, as a program that an `ImageMaker` finds.
  func makeTool(_ name: String, _ script: String) throws -> ImageMaker {
    let tools = path + ".tools"
    try? FileManager.default.createDirectory(atPath: tools, withIntermediateDirectories: false)
    // Written by another process: a program that some child of ours has open for writing cannot be run (ETXTBSY).
    let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" > \"$1\" && chmod 755 \"$1\""
    _ = try ChildProcess.spawn(["sh", "-c", write, "sh", "\(tools)/\(name)", script]).wait()
    return ImageMaker(toolDirectories: [tools])
  }

  func bytes(_ name: String) -> Data { (try? Data(contentsOf: URL(fileURLWithPath: file(name).text))) ?? Data() }

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: file(name).text))
  }
}

/// Another program's output, standard error included, and how it ended.
func output(of program: [String]) throws -> (text: String, end: ProcessEnd) {
  let file = try Path("/tmp").open(flags: OpenFlags.temporary | OpenFlags.readWrite, mode: 0o600)
  let end = try ChildProcess.spawn(program, files: [nil, file.file, file.file]).wait()
  return (try Path("/proc/self/fd/\(file.file.raw)").contents(), end)
}

/// Waits, for as long as a loaded machine may need, until something is so.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  for _ in 0..<30_000 {
    if try condition() { return true }
    usleep(10_000)
  }
  return false
}

// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs mkfs.* on an image that has no name yet: the program gets it as an open descriptor and finds it by number.

internal import Linux
internal import Wire

struct FileSystemMaker {
  let kind: FileSystemKind
  /// The program's path.
  let program: String
  let recipe: ImageRecipe
  /// The image's name to be, for sentences.
  let path: Path

  /// The program's descriptors are 0, 1, 2 and then the image.
  private static let imagePath = "/proc/self/fd/3"
  /// Enough for the first words of a program that prints its manual instead.
  private static let mostErrorBytes = 8192

  private var arguments: [String] {
    let label = recipe.label.map { [kind.labelOption, $0] } ?? []
    return [program] + kind.quiet + label + recipe.makeArguments + [FileSystemMaker.imagePath]
  }

  func run(on image: File) throws(ImageError) {
    let (end, errors) = try start(on: image)
    guard end == .code(0) else {
      let how =
        switch end {
        case .code(let code): "exit code \(code)"
        case .signal(let number): "signal \(number)"
        }
      throw .failure("\(kind.program) could not make a file system in \(path) (\(how)): \(sentence(errors))")
    }
    guard let size = try? image.status().size, size == UInt64(recipe.byteCount) else {
      throw .failure("\(kind.program) changed the size of the image \(path); leave sizes out of --mkfs-arg")
    }
  }

  private func start(on image: File) throws(ImageError) -> (ProcessEnd, String) {
    do {
      let errors = try MemoryFile.create("mkfs", byteCount: 0)
      // No input: whoever asks "really?" gets no answer and fails.
      let child = try ChildProcess.spawn(arguments, files: [nil, nil, errors.file, image])
      let end = try child.wait()
      let scratch = Scratch(byteCount: FileSystemMaker.mostErrorBytes)
      try errors.file.seek(0, whence: 0)
      let count = try errors.file.read(into: scratch.segment)
      return (end, String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self))
    } catch {
      throw .failure("cannot run \(program): \(error.message)")
    }
  }

  /// The program's own words as part of a sentence: the line that names an error, or its first.
  private func sentence(_ errors: String) -> String {
    let lines = errors.split(whereSeparator: \.isNewline).map { String($0) }
    let chosen = lines.first { $0.lowercased().contains("error") } ?? lines.first ?? "it said nothing"
    var text = chosen.split(separator: FileSystemMaker.imagePath, omittingEmptySubsequences: false)
      .joined(separator: path.text)
    while let last = text.last, last == "." || last.isWhitespace { text.removeLast() }
    return text
  }
}

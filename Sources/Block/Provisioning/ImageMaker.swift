// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Makes an image where there is none. Runs before the sandbox and before the first byte from a frontend: it starts
// programs and needs the host's directories.

public import Linux

/// Makes images by recipe.
public struct ImageMaker: Sendable {
  /// What became of a wish for an image.
  public enum Outcome: Equatable, Sendable {
    /// Something is there, whatever it is, and was not touched.
    case existed
    /// - Parameter overwritesInPlace: the file system copies on write and was told not to for this file.
    case created(overwritesInPlace: Bool)
  }

  /// Where mkfs.* is looked for, in this order.
  public var toolDirectories: [String]
  /// False makes the image under a hidden name even where files without a name could be made.
  public var usesUnnamedFiles = true

  /// PATH, and then the places that a user's PATH often lacks.
  public static var defaultToolDirectories: [String] {
    let path = CurrentProcess.environment("PATH") ?? ""
    return path.split(separator: ":").map { String($0) } + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
  }

  public init(toolDirectories: [String] = ImageMaker.defaultToolDirectories) {
    self.toolDirectories = toolDirectories
  }

  /// After this there is something at `path`: what was there before, or a complete image. A crash at any moment leaves
  /// either nothing or the complete image under that name.
  public func makeIfMissing(_ path: Path, _ recipe: ImageRecipe) throws(ImageError) -> Outcome {
    try recipe.check()
    if try exists(path) { return .existed }
    // Found before anything is made: a missing program is the likeliest reason to fail.
    let maker = try recipe.fileSystem.map { (kind) throws(ImageError) in
      FileSystemMaker(kind: kind, program: try find(kind), recipe: recipe, path: path)
    }
    UnfinishedImage.removeLeftovers(of: path)
    let unnamed = usesUnnamedFiles
    let image = try refusing(path) { () throws(Errno) in try UnfinishedImage(for: path, unnamed: unnamed) }
    // Only an empty file takes the flag, so it comes before the size.
    let overwritesInPlace = image.file.forbidCopyOnWrite()
    try setSize(of: image.file, path, recipe)
    if let maker { try maker.run(on: image.file) }
    // After the file system: its maker gives the blocks back that it does not need.
    if recipe.isPreallocated { try preallocate(image.file, path, recipe) }
    return try finish(image, path) ? .created(overwritesInPlace: overwritesInPlace) : .existed
  }

  private func exists(_ path: Path) throws(ImageError) -> Bool {
    guard !path.name.isEmpty else { throw .usage("the image '\(path)' has no file name; give the path of a file") }
    let status: FileStatus
    do {
      status = try path.status(following: false)
    } catch .noEntry {
      return false
    } catch {
      throw .failure("cannot look at the image \(path): \(error.message)")
    }
    if status.type == .symlink, (try? path.status()) == nil {
      throw .failure("the image \(path) is a symlink to nothing; remove it or make what it points to")
    }
    return true
  }

  private func find(_ kind: FileSystemKind) throws(ImageError) -> String {
    for directory in toolDirectories {
      let program = "\(directory)/\(kind.program)"
      if let status = try? Path(program).status(), status.isRegular, status.mode & 0o111 != 0 { return program }
    }
    throw .failure("\(kind.program) is not installed; install the package \(kind.package), or leave out --fs-type")
  }

  private func setSize(of file: File, _ path: Path, _ recipe: ImageRecipe) throws(ImageError) {
    do {
      try file.setSize(recipe.byteCount)
    } catch .fileTooLarge {
      let size = ByteSize.describe(recipe.byteCount)
      throw .failure("the file system of \(path) cannot hold a file of \(size); give a smaller --size")
    } catch {
      throw .failure("cannot make the image \(path): \(error.message)")
    }
  }

  private func preallocate(_ file: File, _ path: Path, _ recipe: ImageRecipe) throws(ImageError) {
    do {
      try file.allocate(mode: 0, offset: 0, length: recipe.byteCount)
    } catch .noSpace {
      let size = ByteSize.describe(recipe.byteCount)
      throw .failure(
        "there is no room for the \(size) of the image \(path); free some, give a smaller --size or leave out "
          + "--preallocate")
    } catch .notSupported {
      throw .failure("the file system of \(path) cannot set room aside; leave out --preallocate")
    } catch {
      throw .failure("cannot set room aside for the image \(path): \(error.message)")
    }
  }

  private func finish(_ image: consuming UnfinishedImage, _ path: Path) throws(ImageError) -> Bool {
    do {
      return try image.finish()
    } catch {
      throw .failure("cannot give the finished image its name \(path): \(error.message)")
    }
  }

  private func refusing<Value: ~Copyable>(
    _ path: Path, _ body: () throws(Errno) -> Value
  ) throws(ImageError) -> Value {
    do {
      return try body()
    } catch .noEntry {
      throw .failure("the directory \(path.directory) does not exist; make it, or give another image")
    } catch .accessDenied {
      throw .failure("no permission to make files in \(path.directory); change its mode or the user")
    } catch {
      throw .failure("cannot make the image \(path): \(error.message)")
    }
  }
}

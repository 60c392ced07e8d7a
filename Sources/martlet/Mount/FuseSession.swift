// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Mounting through libfuse. It knows the options of fuse mounts and of fusermount3, and offers the raw descriptor of
// /dev/fuse (fuse_session_fd): all that is needed of it, since FUSE messages pass through unread.

internal import CFuse
internal import Linux

/// The process's one mount.
struct FuseSession {
  /// /dev/fuse, connected with the mount. Does not block.
  let device: File
  /// The shim's.
  private let mount: UInt

  /// Mounts. For a process with a single thread, because libfuse speaks to standard error and forks.
  init(_ directory: String, options: [String]) throws(HumanError) {
    let captured: CapturedErrors
    do throws(Errno) { captured = try CapturedErrors() } catch {
      throw .failure("cannot prepare the mount (\(error.message)); raise the limit of open descriptors")
    }
    mount = cfuse_begin()
    guard mount != 0 else { throw .failure("cannot prepare the mount (no memory)") }
    for byte in options.joined(separator: ",").utf8 {
      cfuse_append(mount, Int32(cfuse_options), CChar(bitPattern: byte))
    }
    for byte in directory.utf8 { cfuse_append(mount, Int32(cfuse_directory), CChar(bitPattern: byte)) }
    let descriptor = cfuse_open(mount)
    let explanation = FuseSession.sentence(captured.end())
    guard descriptor >= 0 else {
      cfuse_end(mount)
      throw descriptor == -1
        ? .usage("-o is wrong\(explanation)")
        : .failure("cannot mount on '\(directory)'\(explanation)")
    }
    device = File(raw: descriptor)
    _ = device.closeOnExec()
    do throws(Errno) { try device.setNonBlocking(true) } catch {
      cfuse_end(mount)
      throw .failure("cannot use /dev/fuse without waiting (\(error.message))")
    }
  }

  /// Ends the connection with the kernel: calls under way fail, and the mount leaves the tree if it is still there. No
  /// thread may use `device` any more. To be called once.
  func end() {
    // That a mount is gone already, as libfuse may say, is no news to anybody.
    guard let captured = try? CapturedErrors() else { return cfuse_end(mount) }
    cfuse_end(mount)
    _ = captured.end()
  }

  /// What libfuse and fusermount3 wrote, in parentheses and on one line.
  private static func sentence(_ text: String) -> String {
    let lines = text.split(whereSeparator: \.isNewline).map { line in
      var line = line.drop(while: \.isWhitespace)
      for prefix in ["fuse: ", "fusermount3: ", "martlet: "] where line.hasPrefix(prefix) {
        line = line.dropFirst(prefix.count)
      }
      return String(line)
    }
    let said = lines.filter { !$0.isEmpty }.joined(separator: "; ")
    return said.isEmpty ? "" : " (\(said))"
  }
}

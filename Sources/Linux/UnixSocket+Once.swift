// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

extension UnixSocket {
  /// One recvmsg(2) of at most `limit` bytes with the descriptors that came along: for peers that must see a message
  /// exactly as it was sent, and for reading with a deadline (`Poll` first). Nil if the peer closed.
  public func receiveOnce(
    atMost limit: Int, descriptors: inout ReceivedDescriptors
  ) throws(Errno) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: limit)
    var raws = [Int32](repeating: -1, count: UnixSocket.mostDescriptors)
    var rawCount: Int32 = 0
    let got = try retrying {
      rawCount = Int32(UnixSocket.mostDescriptors)
      return unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe clinux_receive(file.raw, buffer.baseAddress, buffer.count, &raws, &rawCount)
      }
    }
    descriptors.append(ReceivedDescriptors(raws: Array(raws.prefix(Int(rawCount)))))
    if got == 0 { return nil }
    bytes.removeLast(limit - got)
    return bytes
  }

  /// One sendmsg(2) of what is left of `bytes` from `start` on; returns how many bytes the socket took. For writing
  /// with a deadline to a non-blocking socket. Never raises SIGPIPE.
  /// - Parameter files: at most `mostDescriptors`; they have gone if any byte has.
  public func sendOnce(_ bytes: [UInt8], from start: Int, files: [File] = []) throws(Errno) -> Int {
    let raws = files.map { $0.raw }
    return try retrying {
      unsafe bytes.withUnsafeBytes { buffer in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[start...])
        return unsafe clinux_send(file.raw, rest.baseAddress, rest.count, nil, 0, raws, Int32(raws.count))
      }
    }
  }
}

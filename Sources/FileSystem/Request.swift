// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Linux
internal import Wire

/// A request's header and arguments, copied out of guest memory once; nothing here changes under our hands. Bulk data
/// (WRITE's payload) stays in the chain.
struct Request {
  let header: FuseInHeader
  /// The arguments that were not yet taken.
  var arguments: ByteReader
  /// Extension records behind the arguments (header.total_extlen).
  let extensions: Segment

  /// Takes a fixed-size argument; a request that is too short is malformed (EINVAL).
  mutating func take<Value: WireValue>(_: Value.Type = Value.self) throws(Errno) -> Value {
    guard let value = arguments.read(Value.self) else { throw .invalid }
    return value
  }

  /// Takes a file name: exactly one path component. The check is the wall that holds in every sandbox mode: no name
  /// of a guest ever has a slash in it or points upwards.
  mutating func takeName() throws(Errno) -> CName {
    guard let name = arguments.readName() else { throw .invalid }
    if name.count > 255 { throw .nameTooLong }
    if name.isEmpty || name.equals(".") || name.equals("..") { throw .invalid }
    var index = 0
    while index < name.count {
      if name[index] == 0x2f { throw .invalid }
      index += 1
    }
    return name
  }

  /// Takes a symlink's target: any text, as symlink(2) takes it.
  mutating func takeTarget() throws(Errno) -> CName {
    guard let target = arguments.readName() else { throw .invalid }
    if target.isEmpty { throw .noEntry }
    if target.count > 4095 { throw .nameTooLong }
    return target
  }

  /// Takes the name of an extended attribute.
  mutating func takeAttributeName() throws(Errno) -> CName {
    guard let name = arguments.readName(), !name.isEmpty else { throw .invalid }
    if name.count > 255 { throw .outOfRange }
    return name
  }

  /// The payload of the extension of a type, without its header; nil if the request has none.
  func `extension`(_ isWanted: (UInt32) -> Bool, in records: Segment) throws(Errno) -> Segment? {
    var reader = ByteReader(records)
    while reader.remaining > 0 {
      guard let header = reader.read(FuseExtHeader.self), Int(header.size) >= FuseExtHeader.byteCount,
        let payload = reader.readBytes(Int(header.size) - FuseExtHeader.byteCount)
      else { throw .invalid }
      // Records are padded to 8 bytes; the last one's padding may be missing.
      let padding = Fuse.recordAligned(Int(header.size)) - Int(header.size)
      _ = reader.readBytes(min(padding, reader.remaining))
      if isWanted(header.type) { return payload }
    }
    return nil
  }
}

/// What an operation has to say to the guest.
enum Answer {
  /// Bytes of the worker's output buffer (after the header's place) are the reply's payload.
  case payload(Int)
  /// The payload of this many bytes is in the chain already.
  case inPlace(Int)
  /// No reply: the chain goes back empty.
  case nothing
}

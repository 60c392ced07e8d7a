// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Mappings of files in the device's shared memory (DAX), and requests that most shares refuse.

public import FuseProtocol
internal import Wire

extension FuseClient {
  public func setupMapping(_ node: UInt64, _ mapping: FuseSetupmappingIn) throws(FuseError) {
    var request = FuseRequest(.setupmapping, node: node)
    request.append(mapping)
    _ = try perform(request).checkedBody()
  }

  public func removeMappings(_ node: UInt64, _ mappings: [FuseRemovemappingOne]) throws(FuseError) {
    var request = FuseRequest(.removemapping, node: node)
    request.append(FuseRemovemappingIn(count: UInt32(mappings.count)))
    var list: [UInt8] = []
    for mapping in mappings { list.append(wire: mapping) }
    request.append(bytes: list)
    _ = try perform(request).checkedBody()
  }

  /// - Parameter input: what the command reads.
  /// - Returns: the command's result and what it wrote.
  public func ioctl(
    _ node: UInt64, _ handle: UInt64, command: UInt32, argument: UInt64 = 0, input: [UInt8] = [],
    outputCapacity: Int = 0
  ) throws(FuseError) -> (result: FuseIoctlOut, output: [UInt8]) {
    var request = FuseRequest(.ioctl, node: node)
    request.append(
      FuseIoctlIn(
        fh: handle, flags: [], cmd: command, arg: argument, inSize: UInt32(input.count),
        outSize: UInt32(outputCapacity)))
    request.data = input
    request.replyByteCount = FuseIoctlOut.byteCount
    request.replyDataByteCount = outputCapacity
    let body = try perform(request).checkedBody()
    guard let result = body.load(FuseIoctlOut.self) else {
      throw .malformed("\(body.count) bytes are no answer to an ioctl")
    }
    return (result, Array(body.dropFirst(FuseIoctlOut.byteCount)))
  }
}

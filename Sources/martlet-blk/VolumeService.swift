// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From an open image to what room Daemon runs: the device, what it warns of, and what it can be asked on the control
// socket.

internal import Block
internal import Daemon
internal import Linux

/// Inside the sandbox.
func serve(
  _ image: Image, _ options: VolumeOptions, _ surroundings: Surroundings
) throws(VolumeError) -> ServedDevice {
  var options = options
  options.measuresLatency = surroundings.measuresLatency
  let device = try BlockDevice(options, image: image) { surroundings.warn($0) }
  if let refusal = device.ringRefusal {
    surroundings.warn("io_uring cannot be used (\(refusal.message)): threads do its work, which costs more")
  }
  if options.direct == .prefer, !image.isDirect, !image.isNothing {
    surroundings.warn(
      "'\(image.path)' cannot be written directly (its file system has no direct I/O, or its size is no multiple of "
        + "the blocks): requests go through the page cache")
  }
  return ServedDevice(
    device, verbs: [resize(device)],
    readOperations: {
      device.operationReadings.map {
        OperationReading(
          name: $0.operation, queue: $0.queue, count: $0.count, errors: $0.failures, latency: $0.latency)
      }
    }, reload: { _ = device.refreshCapacity() })
}

/// Growing needs nothing but the open file, so the sandbox is no obstacle.
private func resize(_ device: BlockDevice) -> ControlVerb {
  ControlVerb("resize", usage: "[SIZE]", summary: "see how large the image is now; or make its file larger first") {
    request throws(HumanError) in
    var byteCount = device.refreshCapacity()
    if !request.words.isEmpty {
      let text = try request.onlyWord("a size")
      do throws(ImageError) {
        byteCount = UInt64(try ByteSize.parse(text, for: "the size"))
      } catch {
        // Not the command line's fault, whose help would be pointed to.
        throw .failure(error.message)
      }
      do throws(VolumeError) { byteCount = try device.grow(to: byteCount) } catch { throw .failure(error.message) }
    }
    return request.wantsJSON ? .json(.object(["bytes": .count(byteCount)])) : .text("\(byteCount) bytes")
  }
}

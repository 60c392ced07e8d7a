// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chains that are laid out once and handed over again and again, as a driver with a fixed set of requests does. Giving
// one to the device costs a store into the available ring: nothing is allocated, so that a bench measures the device.

internal import VirtioProtocol
internal import Wire

extension DriverQueue {
  /// Takes a descriptor out of the free ones for a chain through an indirect table, for good.
  /// - Returns: the head that names the chain.
  public func reserve(token: UInt64) throws(FrontendError) -> UInt16 {
    guard freeCount > 0 else { throw .queueFull }
    let head = firstFree
    firstFree = nextFree[Int(head)]
    freeCount -= 1
    chains[Int(head)] = Chain(token: token, isPrepared: true)
    return head
  }

  /// Says which table a reserved chain goes through, while the device does not have it.
  public func point(_ head: UInt16, at table: GuestBuffer, descriptorCount: Int) {
    store(
      SplitDescriptor(
        address: table.guestAddress, length: UInt32(16 * descriptorCount), flags: DescriptorFlags.indirect), at: head)
  }

  /// Gives a reserved chain to the device, which sees it at `publish`. It comes back by `takeUsed` and may then be
  /// offered again.
  public func offer(_ head: UInt16) {
    precondition(chains[Int(head)].isPrepared, "only a reserved chain is offered")
    precondition(chains[Int(head)].descriptorCount == 0, "the device has this chain already")
    chains[Int(head)].descriptorCount = 1
    makeAvailable(head)
  }
}

// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Whether requests bypass the host's page cache (O_DIRECT).
public enum DirectIO: String, Sendable, CaseIterable {
  /// They go through the page cache.
  case off
  /// They bypass it where the image's file system can do that.
  case prefer
  /// They bypass it, or the volume cannot be served.
  case on
}

/// Who reads and writes the image.
public enum EngineChoice: String, Sendable, CaseIterable {
  /// io_uring where it is allowed, else threads.
  case auto
  case uring = "io_uring"
  case threads
}

/// When a write is safe from a power cut.
public enum CacheMode: String, Sendable, CaseIterable {
  /// After the guest's next flush; a guest that knows no flush gets write-through.
  case writeback
  /// When it is answered.
  case writethrough
  /// When the host's kernel pleases: flushes are answered and not done.
  case lax = "unsafe"
}

/// What of the guest's memory is registered with io_uring and so stays in the host's memory.
public enum PinnedMemory: String, Sendable, CaseIterable {
  case off
  /// What lies in huge pages, which the host cannot page out anyway.
  case huge
  /// All of it, touched or not.
  case on
}

/// What is served, and how.
public struct VolumeOptions: Sendable {
  /// For logs.
  public var name: String
  public var readOnly = false
  /// What GET_ID answers, 20 bytes at most; nil makes one from the image's device and inode.
  public var serial: String?
  public var queueCount = 1
  /// Descriptors that the guest's queues have at least: bounds the segments of a request.
  public var queueSize = 128
  public var direct = DirectIO.off
  public var engine = EngineChoice.auto
  public var cache = CacheMode.writeback
  public var pinnedMemory = PinnedMemory.off
  /// Logical block size in bytes; nil is the device's, or 512 for a file.
  public var blockByteCount: Int?
  /// What the guest may use of the host; all queues together.
  public var limits = VolumeLimits()
  /// Whether somebody may want to know how long requests take.
  public var measuresLatency = false

  public init(name: String) {
    self.name = name
  }
}

/// Why a volume cannot be served: one sentence that says what to do.
public struct VolumeError: Error, Sendable, Equatable {
  public let message: String

  public init(_ message: String) {
    self.message = message
  }
}

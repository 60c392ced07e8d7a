// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The room Linux is the only one that calls the kernel. Its calls throw `Errno` by typed throws, which costs a
// register; an existential error would be a heap allocation on every failed lookup.

internal import CLinux
internal import Glibc

/// An error number of the kernel (errno.h).
@frozen
public struct Errno: Error, Equatable, Sendable {
  public let rawValue: Int32

  @inlinable @inline(__always)
  public init(_ rawValue: Int32) {
    self.rawValue = rawValue
  }

  public static let notPermitted = Errno(1)
  public static let noEntry = Errno(2)
  public static let interrupted = Errno(4)
  public static let inputOutput = Errno(5)
  public static let badDescriptor = Errno(9)
  public static let tryAgain = Errno(11)
  public static let outOfMemory = Errno(12)
  public static let accessDenied = Errno(13)
  public static let badAddress = Errno(14)
  public static let busy = Errno(16)
  public static let exists = Errno(17)
  public static let crossDevice = Errno(18)
  public static let notDirectory = Errno(20)
  public static let isDirectory = Errno(21)
  public static let invalid = Errno(22)
  public static let tooManyFilesInSystem = Errno(23)
  public static let tooManyFiles = Errno(24)
  public static let notTerminal = Errno(25)
  public static let fileTooLarge = Errno(27)
  public static let noSpace = Errno(28)
  public static let illegalSeek = Errno(29)
  public static let readOnly = Errno(30)
  public static let outOfRange = Errno(34)
  public static let nameTooLong = Errno(36)
  public static let notImplemented = Errno(38)
  public static let notEmpty = Errno(39)
  public static let tooManyLinks = Errno(40)
  public static let noData = Errno(61)
  public static let protocolError = Errno(71)
  public static let overflow = Errno(75)
  public static let notSupported = Errno(95)
  public static let addressInUse = Errno(98)
  public static let connectionReset = Errno(104)
  public static let connectionRefused = Errno(111)
  public static let stale = Errno(116)

  /// The C library's sentence for the number, for logs and messages to people.
  public var message: String {
    unsafe String(cString: strerror(rawValue))
  }
}

/// Turns a shim's result (a value, or a negative errno) into a value or a thrown `Errno`.
///
/// EBADF and EFAULT mean that this program used a closed descriptor or a bad pointer: going on would act on
/// somebody else's file, so they stop the process.
@inline(__always)
@discardableResult
func checked<Value: SignedInteger>(_ result: Value) throws(Errno) -> Value {
  if result >= 0 { return result }
  try refuse(Int32(truncatingIfNeeded: -Int64(result)))
}

@inline(never)
private func refuse(_ number: Int32) throws(Errno) -> Never {
  precondition(number != EBADF && number != EFAULT, "a system call got a bad descriptor or pointer")
  throw Errno(number)
}

/// As `checked`, for calls on what a guest opened: it may well ask to read a file that it opened for writing, or hand
/// over memory that its machine has taken away, so EBADF and EFAULT are answers like any other.
@inline(__always)
@discardableResult
func answered<Value: SignedInteger>(_ call: () -> Value) throws(Errno) -> Value {
  while true {
    let result = call()
    if result >= 0 { return result }
    if result != -Value(EINTR) { throw Errno(Int32(truncatingIfNeeded: -Int64(result))) }
  }
}

/// As `checked`, for calls that a signal may interrupt before they did anything.
@inline(__always)
@discardableResult
func retrying<Value: SignedInteger>(_ call: () -> Value) throws(Errno) -> Value {
  while true {
    let result = call()
    if result == -Value(EINTR) { continue }
    return try checked(result)
  }
}

// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where log lines go: standard error, one write(2) each so that lines of several threads never mix, or syslog. The
// format is the rival's, `[2026-11-23T05:25:54Z INFO martlet-fs] text`, because people grep for it.

internal import Linux
public import Logging
internal import Synchronization
public import VhostUser

/// What is logged: this level and worse.
public enum LogThreshold: String, Sendable, CaseIterable {
  case error
  case warn
  case info
  case debug
  case trace
  case off

  /// The level for swift-log; nil logs nothing.
  public var level: Logger.Level? {
    switch self {
    case .error: .error
    case .warn: .warning
    case .info: .info
    case .debug: .debug
    case .trace: .trace
    case .off: nil
    }
  }

  /// What $RUST_LOG asks for: "debug", or a list such as "warn,virtiofsd=debug" of which the bare level counts, else
  /// the most talkative. Nil if there is nothing in it that is a level.
  public static func parsing(environment text: String) -> LogThreshold? {
    var mostTalkative: LogThreshold?
    for directive in text.lowercased().split(separator: ",") {
      let parts = directive.split(separator: "=", maxSplits: 1)
      guard let level = parts.last.flatMap({ LogThreshold(rawValue: String($0)) }) else { continue }
      if parts.count == 1 { return level }
      let talk: (LogThreshold) -> Int = { $0 == .off ? -1 : (allCases.firstIndex(of: $0) ?? 0) }
      if mostTalkative.map({ talk($0) < talk(level) }) ?? true { mostTalkative = level }
    }
    return mostTalkative
  }
}

/// What is logged by the whole process: the control socket changes it while threads log.
final class SharedThreshold: Sendable {
  private let index: Atomic<Int>

  init(_ threshold: LogThreshold) {
    index = Atomic(SharedThreshold.index(of: threshold))
  }

  var threshold: LogThreshold {
    get { LogThreshold.allCases[index.load(ordering: .relaxed)] }
    set { index.store(SharedThreshold.index(of: newValue), ordering: .relaxed) }
  }

  private static func index(of threshold: LogThreshold) -> Int {
    LogThreshold.allCases.firstIndex(of: threshold) ?? 0
  }
}

/// swift-log's view of the daemon's log.
public struct DaemonLogHandler: LogHandler {
  /// Where lines go. A class, because the syslog socket has one owner and every copy of the handler writes to it.
  final class Sink: Sendable {
    let program: String
    private let syslog: DatagramSocket?
    /// The process that was started: in its sandbox the one that serves has number 1.
    private let process = CurrentProcess.identifier

    init(program: String, syslog: DatagramSocket?) {
      self.program = program
      self.syslog = syslog
    }

    func write(_ level: Logger.Level, _ text: String) {
      if let syslog, send(level, text, to: syslog) { return }
      let line = "[\(LogTime.text(WallClock.now)) \(name(level)) \(program)] \(text)\n"
      try? File(raw: 2).write(line)
    }

    /// False if the system's logger does not take it (it was restarted): then the line goes to standard error.
    private func send(_ level: Logger.Level, _ text: String, to socket: DatagramSocket) -> Bool {
      let severity =
        switch level {
        case .critical, .error: 3
        case .warning: 4
        case .notice, .info: 6
        case .debug, .trace: 7
        }
      // RFC 3164 with LOG_USER; the logger adds the time.
      let line = "<\(8 + severity)>\(program)[\(process)]: \(text)"
      return (try? socket.send(line)) != nil
    }

    private func name(_ level: Logger.Level) -> String {
      switch level {
      case .critical, .error: "ERROR"
      case .warning: "WARN"
      case .notice, .info: "INFO"
      case .debug: "DEBUG"
      case .trace: "TRACE"
      }
    }
  }

  let sink: Sink
  let shared: SharedThreshold
  public var metadata: Logger.Metadata = [:]
  /// Set for one logger alone; nil follows the daemon.
  private var ownLevel: Logger.Level?

  public var logLevel: Logger.Level {
    get { ownLevel ?? shared.threshold.level ?? .critical }
    set { ownLevel = newValue }
  }

  init(sink: Sink, shared: SharedThreshold) {
    self.sink = sink
    self.shared = shared
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var text = "\(event.message)"
    if let share = (event.metadata ?? metadata)["share"] { text = "\(share): \(text)" }
    // What a guest chose (names, tags) must not be able to start a line of its own.
    if text.contains(where: \.isNewline) { text = String(text.map { $0.isNewline ? " " : $0 }) }
    sink.write(event.level, text)
  }
}

/// The log of a daemon: makes loggers, and speaks the endpoints' own protocol.
public struct DaemonLog: Sendable {
  public let logger: Logger
  private let shared: SharedThreshold

  /// - Parameter syslog: opens /dev/log now, so that it also works inside a sandbox.
  public init(program: String, threshold: LogThreshold, syslog: Bool) {
    let socket = syslog ? try? DatagramSocket(to: "/dev/log") : nil
    let sink = DaemonLogHandler.Sink(program: program, syslog: socket)
    let shared = SharedThreshold(threshold)
    logger = Logger(label: program) { _ in DaemonLogHandler(sink: sink, shared: shared) }
    self.shared = shared
  }

  private init(logger: Logger, shared: SharedThreshold) {
    self.logger = logger
    self.shared = shared
  }

  /// What is logged now.
  public var threshold: LogThreshold { shared.threshold }

  /// Changes what is logged, for all logs that this one was made from or that were made from it.
  func set(_ threshold: LogThreshold) {
    shared.threshold = threshold
  }

  /// The same log with the share's name in front of each line.
  public func naming(share: String) -> DaemonLog {
    var named = logger
    named[metadataKey: "share"] = "\(share)"
    return DaemonLog(logger: named, shared: shared)
  }
}

extension DaemonLog: SessionLog {
  public func log(_ level: LogLevel, _ message: @autoclosure () -> String) {
    if shared.threshold == .off { return }
    let translated: Logger.Level =
      switch level {
      case .trace: .trace
      case .debug: .debug
      case .info: .info
      case .warning: .warning
      case .error: .error
      }
    guard logger.logLevel <= translated else { return }
    logger.log(level: translated, "\(message())")
  }
}

/// Time stamps as RFC 3339 in UTC, without Foundation.
enum LogTime {
  static func text(_ clock: WallClock) -> String {
    let days = Int(clock.seconds.quotientFloored(by: 86400))
    let second = Int(clock.seconds) - days * 86400
    let date = civil(daysSinceEpoch: days)
    return "\(pad(date.year, 4))-\(pad(date.month))-\(pad(date.day))"
      + "T\(pad(second / 3600)):\(pad(second / 60 % 60)):\(pad(second % 60))Z"
  }

  /// Proleptic Gregorian date of a day number; the year begins in March so that the leap day comes last.
  static func civil(daysSinceEpoch days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
  }

  private static func pad(_ number: Int, _ width: Int = 2) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}

extension Int64 {
  fileprivate func quotientFloored(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}

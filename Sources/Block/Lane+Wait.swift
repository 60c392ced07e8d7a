// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Handing over and waiting. While a lane sleeps, its ring watches the kick, the control thread's event and the helpers'
// mailbox by standing polls, so one system call hands over what was prepared, sleeps, and brings back what is done.

internal import IOUring
internal import Linux
internal import Synchronization
internal import Virtio

/// What the ring watches beside the image. A standing poll needs no reading of the event and is armed once per run.
struct StandingPolls {
  enum Token {
    static let kick: UInt64 = 1 << 32
    static let control: UInt64 = 2 << 32
    static let mailbox: UInt64 = 3 << 32
    static let end: UInt64 = 4 << 32
  }

  var kickStands = false
  var controlStands = false
  var mailboxStands = false
  var endsExpected = 0
  /// The kernel would not poll: somebody else has to wait.
  var isUnusable = false
  /// What has come since it was last asked for.
  var news: QueueWakeUp = []

  mutating func note(_ completion: Completion) {
    switch completion.token {
    case Token.kick:
      kickStands = completion.goesOn
      if completion.result > 0 { news.insert(.kick) }
    case Token.control:
      controlStands = completion.goesOn
      if completion.result > 0 { news.insert(.control) }
    case Token.mailbox: mailboxStands = completion.goesOn
    default:
      endsExpected -= 1
      return
    }
    let wasCancelled: Int32 = -125
    if completion.result < 0, completion.result != wasCancelled { isUnusable = true }
  }

  var standCount: Int { (kickStands ? 1 : 0) + (controlStands ? 1 : 0) + (mailboxStands ? 1 : 0) }
}

extension LaneCore {
  /// Readable when there is something to answer; nil while nothing is in flight and the ring is looked at.
  var completionFile: File? {
    mutating get {
      if inFlight == 0, !isPaying { return nil }
      return hasRing ? ring?.file : mailbox.event.file
    }
  }

  /// A look at the ring costs less than a sleep. But the kernel finishes direct writes in a thread that may want this
  /// very processor, so with these the looking stays short.
  /// Helpers want it too.
  var lookNanoseconds: Int64 {
    if inFlight == held.count || !hasRing { return 0 }
    return writesInFlight > 0 ? 10_000 : 100_000
  }

  /// Prepares one operation; hands over what is prepared when the ring is full.
  @inline(__always)
  mutating func prepare(_ operation: (borrowing Ring) -> Bool) {
    while true {
      if let done = withRing(operation), done { return }
      submitAll()
    }
  }

  @inline(__always)
  private func withRing(_ operation: (borrowing Ring) -> Bool) -> Bool? {
    switch ring {
    case .some(let ring): operation(ring)
    case .none: nil
    }
  }

  /// Hands over everything; afterwards no window of the arena is needed any more.
  mutating func submitAll() {
    ring?.submit()
    // The kernel is short of something: what is in flight gives it back.
    while let left = ring?.unsubmitted, left > 0 { ring?.submitAndWait() }
    arena.reset()
  }

  /// Whether there is something to answer, after handing over what was prepared.
  mutating func look() -> Bool {
    if hasRing {
      if let left = ring?.unsubmitted, left > 0 {
        ring?.submitAndLook()
        if ring?.unsubmitted == 0 { arena.reset() }
      }
      if ring?.hasNews == true { return true }
    }
    return mailbox.hasLetters || (held.count > 0 && heldNanoseconds == 0)
  }

  /// Sleeps until something happens; nil if the ring cannot watch everything.
  mutating func sleep(_ alarm: QueueAlarm) -> QueueWakeUp? {
    guard hasRing, !polls.isUnusable else { return nil }
    if !polls.kickStands { stand(File(raw: alarm.kick), StandingPolls.Token.kick) }
    if !polls.controlStands { stand(File(raw: alarm.control), StandingPolls.Token.control) }
    polls.kickStands = true
    polls.controlStands = true
    // What `reap` took while it looked for completions has woken nobody: a wish of the control thread may be newer than
    // the last look for one. A kick is not: the ring was looked at after kicks were asked for.
    if polls.news.contains(.control) { ring?.submit() } else { submitAndWait() }
    if ring?.unsubmitted == 0 { arena.reset() }
    let news = polls.news
    polls.news = []
    return news
  }

  /// As long as nothing happens, or until the limits let the lane go on.
  private mutating func submitAndWait() {
    if let longest = longestSleepNanoseconds {
      ring?.submitAndWait(nanoseconds: longest)
    } else {
      ring?.submitAndWait()
    }
  }

  /// The helpers' answers wake the ring from now on.
  mutating func watchMailbox() {
    if polls.mailboxStands { return }
    polls.mailboxStands = true
    stand(mailbox.event.file, StandingPolls.Token.mailbox)
  }

  private mutating func stand(_ file: File, _ token: UInt64) {
    prepare { (ring: borrowing Ring) in ring.preparePoll(file, token: token) }
  }

  /// Waits for at least one answer; returns how many there were.
  mutating func waitForAnswers(_ queue: inout Virtqueue) -> Int {
    if !mailbox.hasLetters {
      if hasRing {
        ring?.submitAndWait()
        if ring?.unsubmitted == 0 { arena.reset() }
      } else {
        _ = Poll.wait(mailbox.event.file, nil)
      }
    }
    return reap(&queue)
  }

  /// Everything in flight is answered, and nothing of this run is left in the ring.
  mutating func finish(_ queue: inout Virtqueue) {
    mailbox.isClosing.store(true, ordering: .relaxed)
    defer { mailbox.isClosing.store(false, ordering: .relaxed) }
    beginHeld(&queue)
    while inFlight > 0 { _ = waitForAnswers(&queue) }
    queue.flush()
    guard hasRing else { return }
    // A poll that is being woken cannot be ended (EALREADY) and goes on: it is asked again until it has ended.
    repeat {
      for (stands, token) in [
        (polls.kickStands, StandingPolls.Token.kick), (polls.controlStands, StandingPolls.Token.control),
        (polls.mailboxStands, StandingPolls.Token.mailbox),
      ] where stands {
        polls.endsExpected += 1
        prepare { (ring: borrowing Ring) in ring.prepareEndOfPoll(token, token: StandingPolls.Token.end) }
      }
      while polls.endsExpected > 0 { _ = waitForAnswers(&queue) }
    } while polls.standCount > 0
    polls = StandingPolls()
  }
}

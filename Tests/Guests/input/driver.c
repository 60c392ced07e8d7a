// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A frontend and a guest's driver in one: QEMU's docs/interop/vhost-user.rst, linux/virtio_ring.h,
// linux/virtio_input.h. Two split rings of 64 descriptors in one piece of shared memory.

#define _GNU_SOURCE
#include "inputcheck.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SIZE = 64, RING_BYTES = 16384, MEMORY_BYTES = 4 * RING_BYTES };
enum {
  GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9,
  SET_VRING_BASE = 10, SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15,
  SET_PROTOCOL_FEATURES = 16, SET_VRING_ENABLE = 18, GET_CONFIG = 24, SET_CONFIG = 25,
};

struct queue {
  struct vring ring;
  // The events of each descriptor.
  struct virtio_input_event *buffers;
  int kick, call;
  uint16_t seen;
};

struct driver {
  int socket;
  uint8_t *memory;
  struct queue queues[2];
};

// MARK: Messages

struct message {
  uint32_t request, flags, size;
  union {
    uint64_t number;
    struct { uint32_t index, number; } state;
    struct { uint32_t index, flags; uint64_t desc, used, avail, log; } address;
    struct { uint32_t count, padding; uint64_t guest, size, user, offset; } table;
    struct { uint32_t offset, size, flags; uint8_t bytes[256]; } config;
  };
} __attribute__((packed));
static const size_t HEAD = 12;

static void send_message(struct driver *driver, struct message *message, int fd) {
  struct iovec piece = {message, HEAD + message->size};
  union { struct cmsghdr head; char bytes[CMSG_SPACE(sizeof fd)]; } control = {0};
  struct msghdr all = {.msg_iov = &piece, .msg_iovlen = 1};
  if (fd >= 0) {
    all.msg_control = &control;
    all.msg_controllen = sizeof control.bytes;
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
  }
  message->flags = 1;
  if (sendmsg(driver->socket, &all, MSG_NOSIGNAL) != (ssize_t)piece.iov_len)
    give_up("message %u is not taken: %s", message->request, strerror(errno));
}

static void receive(struct driver *driver, void *bytes, size_t count) {
  if (recv(driver->socket, bytes, count, MSG_WAITALL) != (ssize_t)count) give_up("no reply");
}

static void reply(struct driver *driver, struct message *message) {
  uint32_t request = message->request;
  receive(driver, message, HEAD);
  if (message->request != request || message->size > sizeof *message - HEAD) give_up("a reply to %u", message->request);
  receive(driver, (uint8_t *)message + HEAD, message->size);
}

static void send_number(struct driver *driver, uint32_t request, uint64_t number, int fd) {
  struct message message = {.request = request, .size = 8, .number = number};
  send_message(driver, &message, fd);
}

static uint64_t get_number(struct driver *driver, uint32_t request) {
  struct message message = {.request = request};
  send_message(driver, &message, -1);
  reply(driver, &message);
  return message.number;
}

static void send_state(struct driver *driver, uint32_t request, uint32_t index, uint32_t number) {
  struct message message = {.request = request, .size = 8, .state = {index, number}};
  send_message(driver, &message, -1);
}

// MARK: Rings

static uint64_t address(struct driver *driver, const void *pointer) {
  return (uint64_t)((const uint8_t *)pointer - driver->memory);
}

static void offer(struct driver *driver, struct queue *queue, uint16_t slot, bool writable) {
  queue->ring.desc[slot] = (struct vring_desc){
      .addr = address(driver, &queue->buffers[slot]),
      .len = sizeof queue->buffers[slot],
      .flags = writable ? VRING_DESC_F_WRITE : 0,
  };
  uint16_t index = queue->ring.avail->idx;
  queue->ring.avail->ring[index % SIZE] = slot;
  __atomic_store_n(&queue->ring.avail->idx, index + 1, __ATOMIC_RELEASE);
}

static void kick(struct queue *queue) {
  uint64_t one = 1;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (write(queue->kick, &one, sizeof one) != sizeof one) give_up("no kick");
}

// The next chain that came back; false if none does in time.
static bool take(struct queue *queue, struct vring_used_elem *element, int patience_milliseconds) {
  int64_t deadline = milliseconds() + patience_milliseconds;
  while (__atomic_load_n(&queue->ring.used->idx, __ATOMIC_ACQUIRE) == queue->seen) {
    int64_t left = deadline - milliseconds();
    struct pollfd wish = {.fd = queue->call, .events = POLLIN};
    if (left <= 0) return false;
    if (poll(&wish, 1, (int)left) > 0) {
      uint64_t count;
      if (read(queue->call, &count, sizeof count) < 0) give_up("no call");
    }
  }
  *element = queue->ring.used->ring[queue->seen++ % SIZE];
  return true;
}

static void start_queue(struct driver *driver, uint32_t index) {
  struct queue *queue = &driver->queues[index];
  uint8_t *start = driver->memory + 2 * RING_BYTES * index;
  vring_init(&queue->ring, SIZE, start, 4096);
  queue->buffers = (struct virtio_input_event *)(start + RING_BYTES);
  queue->kick = eventfd(0, EFD_CLOEXEC);
  queue->call = eventfd(0, EFD_CLOEXEC);
  send_state(driver, SET_VRING_NUM, index, SIZE);
  send_state(driver, SET_VRING_BASE, index, 0);
  struct message message = {.request = SET_VRING_ADDR, .size = 40};
  message.address.index = index;
  message.address.desc = (uintptr_t)queue->ring.desc;
  message.address.used = (uintptr_t)queue->ring.used;
  message.address.avail = (uintptr_t)queue->ring.avail;
  send_message(driver, &message, -1);
  send_number(driver, SET_VRING_CALL, index, queue->call);
  send_number(driver, SET_VRING_KICK, index, queue->kick);
  send_state(driver, SET_VRING_ENABLE, index, 1);
}

// MARK: What checks use

struct driver *attach(const char *socket_path) {
  struct driver *driver = calloc(1, sizeof *driver);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strncpy(name.sun_path, socket_path, sizeof name.sun_path - 1);
  driver->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (int64_t deadline = milliseconds() + 60000;;) {
    if (connect(driver->socket, (struct sockaddr *)&name, sizeof name) == 0) break;
    if (milliseconds() > deadline) give_up("nobody listens on %s", socket_path);
    usleep(20000);
  }
  int memory = memfd_create("ram", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, MEMORY_BYTES) < 0) give_up("no memory");
  driver->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (driver->memory == MAP_FAILED) give_up("no memory");

  struct message owner = {.request = SET_OWNER};
  send_message(driver, &owner, -1);
  uint64_t wanted = 1ull << VIRTIO_F_VERSION_1 | 1ull << 30;
  if ((get_number(driver, GET_FEATURES) & wanted) != wanted) give_up("features are missing");
  // CONFIG
  if ((get_number(driver, GET_PROTOCOL_FEATURES) & 1 << 9) == 0) give_up("no configuration space");
  send_number(driver, SET_PROTOCOL_FEATURES, 1 << 9, -1);
  send_number(driver, SET_FEATURES, wanted, -1);
  struct message table = {.request = SET_MEM_TABLE, .size = 40};
  table.table.count = 1;
  table.table.size = MEMORY_BYTES;
  table.table.user = (uintptr_t)driver->memory;
  send_message(driver, &table, memory);
  close(memory);
  for (uint32_t index = 0; index < 2; index++) start_queue(driver, index);
  for (uint16_t slot = 0; slot < SIZE; slot++) offer(driver, &driver->queues[0], slot, true);
  kick(&driver->queues[0]);
  return driver;
}

void detach(struct driver *driver) {
  close(driver->socket);
  munmap(driver->memory, MEMORY_BYTES);
  free(driver);
}

int ask(struct driver *driver, uint8_t select, uint8_t subselect, uint8_t answer[128]) {
  struct message choice = {.request = SET_CONFIG, .size = 14};
  choice.config.size = 2;
  choice.config.bytes[0] = select;
  choice.config.bytes[1] = subselect;
  send_message(driver, &choice, -1);
  struct message question = {.request = GET_CONFIG, .size = 12 + sizeof(struct virtio_input_config)};
  question.config.size = sizeof(struct virtio_input_config);
  send_message(driver, &question, -1);
  reply(driver, &question);
  struct virtio_input_config config;
  memcpy(&config, question.config.bytes, sizeof config);
  if (config.select != select || config.subsel != subselect || config.size > 128) give_up("a strange configuration");
  memcpy(answer, config.u.bitmap, 128);
  return config.size;
}

bool next_event(struct driver *driver, struct virtio_input_event *event, int patience_milliseconds) {
  struct queue *queue = &driver->queues[0];
  struct vring_used_elem element;
  if (!take(queue, &element, patience_milliseconds)) return false;
  if (element.id >= SIZE || element.len != sizeof *event) give_up("a chain of %u bytes", element.len);
  *event = queue->buffers[element.id];
  offer(driver, queue, (uint16_t)element.id, true);
  kick(queue);
  return true;
}

void tell(struct driver *driver, uint16_t type, uint16_t code, uint32_t value) {
  struct queue *queue = &driver->queues[1];
  struct vring_used_elem element;
  queue->buffers[0] = (struct virtio_input_event){.type = type, .code = code, .value = value};
  offer(driver, queue, 0, false);
  kick(queue);
  if (!take(queue, &element, 60000)) give_up("a light is not taken");
}

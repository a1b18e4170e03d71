// TUN devices and the waiting for them: what Swift's Glibc module does not show.
#define _GNU_SOURCE
#include "CTun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct opening {
  const char *namespace_path;
  const char *name;
  int result;
};

static int open_tun(const char *name) {
  int tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (tun < 0) return -errno;
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(tun, TUNSETIFF, &request) < 0) {
    int error = errno;
    close(tun);
    return -error;
  }
  return tun;
}

static void *open_in_namespace(void *argument) {
  struct opening *opening = argument;
  int namespace = open(opening->namespace_path, O_RDONLY | O_CLOEXEC);
  if (namespace < 0) {
    opening->result = -errno;
    return NULL;
  }
  opening->result = setns(namespace, CLONE_NEWNET) < 0 ? -errno : open_tun(opening->name);
  close(namespace);
  return NULL;
}

int plexus_tun_open(const char *namespace_path, const char *name) {
  if (strlen(name) >= IFNAMSIZ) return -ENAMETOOLONG;
  // A thread of its own, because a namespace belongs to a thread and this one ends right after.
  struct opening opening = {namespace_path, name, -EAGAIN};
  pthread_t thread;
  int error = pthread_create(&thread, NULL, open_in_namespace, &opening);
  if (error) return -error;
  pthread_join(thread, NULL);
  return opening.result;
}

int plexus_poll(struct pollfd *descriptors, int count, int64_t nanoseconds) {
  struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  int ready = ppoll(descriptors, (nfds_t)count, nanoseconds < 0 ? NULL : &time, NULL);
  return ready < 0 && errno == EINTR ? 0 : ready;
}

int plexus_be_punctual(void) {
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  struct sched_param parameters = {.sched_priority = 1};
  return pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
}

int plexus_event_open(void) {
  return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

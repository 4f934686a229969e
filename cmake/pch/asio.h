// What net/ and server/ read on top.
#include <boost/asio.hpp>

#include "std.h"

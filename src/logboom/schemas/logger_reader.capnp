# LoggerMsg as the server reads it: the same layout (a test compares them), other types. Clients need
# logger.capnp only.
@0xb7f0c2d41e8a9365;

# The level as a number: newer clients may send some that the enum does not have.
struct LoggerText {
  timestamp @0 :Text;
  hostname @1 :Text;
  loggerName @2 :Text;
  module @3 :Text;
  level @4 :UInt16;
  filename @5 :Text;
  functionName @6 :Text;
  lineNumber @7 :Text;
  message @8 :Text;
  pathName @9 :Text;
  processId @10 :Text;
  processName @11 :Text;
  threadId @12 :Text;
  threadName @13 :Text;
  serviceName @14 :Text;
  stackTrace @15 :Text;
}

# The texts as bytes, for the message that holds one which is not UTF-8.
struct LoggerBytes {
  timestamp @0 :Data;
  hostname @1 :Data;
  loggerName @2 :Data;
  module @3 :Data;
  level @4 :UInt16;
  filename @5 :Data;
  functionName @6 :Data;
  lineNumber @7 :Data;
  message @8 :Data;
  pathName @9 :Data;
  processId @10 :Data;
  processName @11 :Data;
  threadId @12 :Data;
  threadName @13 :Data;
  serviceName @14 :Data;
  stackTrace @15 :Data;
}

# The floors of the house, lowest first, and every arrow there may be between them. This list is the
# one place: the build links from it, and tools/check_layers.py refuses any #include outside it.
#
#   NAME       a folder of src/
#   DEPS       folders it may include; what those may include comes with them
#   TEST_DEPS  folders only its *_test.cc may include
#   SANS_IO    owns no thread, lock, socket, file, clock or log: see check_layers.py for what that bars
#   LIBS       external libraries (cmake/dependencies.cmake)
#   PCH        the precompiled headers it reads, if not `std` (cmake/flags.cmake)

synod_folder(NAME base SANS_IO LIBS Boost::headers fmt::fmt)
synod_folder(NAME jute SANS_IO DEPS base)
synod_folder(NAME state SANS_IO DEPS jute LIBS ${SYNOD_LIBDEFLATE})
synod_folder(NAME storage SANS_IO DEPS jute LIBS ${SYNOD_LIBDEFLATE} ZLIB::ZLIB Snappy::snappy)
synod_folder(NAME consensus SANS_IO DEPS base)
synod_folder(NAME consensus/solo SANS_IO DEPS consensus)
synod_folder(NAME consensus/cluster SANS_IO DEPS consensus jute)
synod_folder(NAME consensus/zab SANS_IO DEPS consensus jute TEST_DEPS consensus/cluster)
synod_folder(NAME consensus/native SANS_IO DEPS consensus TEST_DEPS consensus/cluster LIBS ${SYNOD_LIBDEFLATE})
synod_folder(NAME consensus/raft SANS_IO DEPS consensus/native TEST_DEPS consensus/cluster)
synod_folder(NAME consensus/omnipaxos SANS_IO DEPS consensus/native TEST_DEPS consensus/cluster)
synod_folder(NAME primary SANS_IO DEPS state)
synod_folder(NAME replica SANS_IO DEPS primary state storage consensus TEST_DEPS consensus/solo consensus/zab
             LIBS OpenSSL::Crypto)
synod_folder(NAME sim/check DEPS jute LIBS Boost::json)
synod_folder(NAME sim/models SANS_IO DEPS consensus/native consensus/omnipaxos TEST_DEPS consensus/cluster)
synod_folder(NAME sim DEPS replica consensus/zab consensus/raft consensus/omnipaxos consensus/solo sim/check sim/models)
synod_folder(NAME sim/report DEPS sim)
synod_folder(NAME net DEPS replica LIBS synod_asio OpenSSL::SSL PCH asio)
synod_folder(NAME server DEPS net consensus/solo consensus/zab consensus/raft consensus/omnipaxos
             LIBS synod_asio spdlog::spdlog Boost::json PCH asio)
synod_folder(NAME cli DEPS server sim sim/report LIBS CLI11::CLI11)

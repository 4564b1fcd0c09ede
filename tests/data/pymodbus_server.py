"""A Modbus server of two units, by pymodbus: `pymodbus_server.py tcp PORT` or `pymodbus_server.py rtu DEVICE`.

Unit 1 has in its holding registers, from 0 on: 1234.5 as f32 (abcd), 1234.5 as f32 (cdab), -2 as i16, 4000000000 as u32,
1234.5 as f64, -2 as i64; from 100 on 100 registers with their own number; in its coils 1 0 1. Unit 2 has 215 in its input
register 7.
"""

import asyncio
import struct
import sys

from pymodbus.server import StartAsyncSerialServer, StartAsyncTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice


def words(form, value):
    data = struct.pack(">" + form, value)
    return list(struct.unpack(f">{len(data) // 2}H", data))


one = words("f", 1234.5) + words("f", 1234.5)[::-1] + words("h", -2) + words("I", 4000000000)
one += words("d", 1234.5) + words("q", -2)
bits, none = DataType.BITS, SimData(0, values=[0], datatype=DataType.REGISTERS)
registers = [SimData(0, values=one, datatype=DataType.REGISTERS)]
registers += [SimData(100, values=list(range(100, 200)), datatype=DataType.REGISTERS)]
coils, discrete = SimData(0, values=[True, False, True], datatype=bits), SimData(0, values=[False], datatype=bits)
units = [
    SimDevice(1, simdata=([coils], [discrete], registers, [none])),
    SimDevice(2, simdata=([coils], [discrete], [none], [SimData(7, values=[215], datatype=DataType.REGISTERS)])),
]
how, place = sys.argv[1:]
if how == "tcp":
    asyncio.run(StartAsyncTcpServer(units, address=("127.0.0.1", int(place))))
else:
    asyncio.run(StartAsyncSerialServer(units, port=place, baudrate=19200, framer="rtu"))
